"""How far a stage says that it has read and published, against what there is: no further than that, and what it remembers of it.

A place before the end is proven by the fold, which goes exactly as far: what was left out or taken too often shows. Between two places
with nothing but repeats between them nobody can tell the difference, nor where the stage would only read or say again.
"""

from collections.abc import AsyncIterator, Mapping

from services.proof.shown import Difference
from services.proof.stores_compared import Compared
from services.runtime.batches import TP
from services.runtime.log_reader import Fetched
from services.runtime.publisher import PUBLISHED, SNAPSHOTS
from services.runtime.seen_messages import mark
from services.runtime.store_snapshot import StoreSnapshot

NEXT = "next offset to read"
Offsets = Mapping[TP, int]


def positions_of(store: StoreSnapshot) -> dict[TP, int]:
    """The next offset to read, by partition."""
    return {TP(name.rpartition(":")[0], int(name.rpartition(":")[2])): next for name, next in store.positions().items()}


class HighestIds:
    """Notes, while a topic is read, the highest id before each of those places."""

    def __init__(self, places: Offsets) -> None:
        self._places = places
        self.found: dict[TP, int] = {}

    async def noting(self, topics: AsyncIterator[Fetched]) -> AsyncIterator[Fetched]:
        async for fetched in topics:
            for tp, records in fetched.items():
                before = [dict(record.headers).get("id", b"") for record in records if record.offset < self._places.get(tp, 0)]
                self.found[tp] = max([int(id) for id in before if id.isdigit()], default=self.found.get(tp, 0))
            yield fetched


def compare_positions(stage: str, store: StoreSnapshot, ends: Offsets, seen: Offsets | None = None) -> Compared:
    """``ends``: of the topics that the stage reads, on Kafka. ``seen``: the highest id before each place, where it knows repeats by it."""
    compared = Compared(f"how far {stage} is", 0, set())
    for tp, next in positions_of(store).items():
        if not 0 <= next <= ends.get(tp, 0):
            _note(compared, tp, NEXT, f"at most {ends.get(tp, 0):,}", next)
        if seen is not None and (highest := store.watermark(mark(tp))) != seen.get(tp, 0):
            _note(compared, tp, "highest id seen", seen.get(tp, 0), highest)
    marks = [(PUBLISHED, store.watermark(PUBLISHED), store.last_id()), (SNAPSHOTS, store.watermark(SNAPSHOTS), store.watermark(PUBLISHED))]
    for name, found, most in marks:
        if not 0 <= found <= most:
            _note(compared, None, name, f"at most {most:,}", found)
    return compared


def compare_reached(who: str, reached: Offsets, ends: Offsets) -> Compared:
    """The same for whoever keeps nothing but offsets."""
    compared = Compared(f"how far {who} are", 0, set())
    for tp, next in reached.items():
        if next > ends.get(tp, 0):
            _note(compared, tp, NEXT, f"at most {ends.get(tp, 0):,}", next)
    return compared


def within(places: Offsets, ends: Offsets) -> dict[TP, int]:
    """As far as there is anything to read."""
    return {tp: max(0, min(next, ends.get(tp, 0))) for tp, next in places.items()}


def _note(compared: Compared, tp: TP | None, field: str, expected: object, found: object) -> None:
    compared.unequal.add("")
    key = f"{tp.topic}:{tp.partition}" if tp else ""
    compared.differences.append(Difference("", compared.store, "positions", key, field, expected, found))
