"""Which messages of a topic that an outbox fills were seen before: those whose id is not above the highest seen."""

from collections.abc import Sequence
from typing import Protocol

from services.runtime.batches import TP, Batch
from services.runtime.stage import Record


class Watermarks(Protocol):
    """The part of the event store in which the highest ids are kept."""

    def watermark(self, name: str) -> int: ...


class SeenMessages:
    """The highest id by partition. `fresh` only looks; what it found counts once it is stored and `remember`ed."""

    def __init__(self, store: Watermarks) -> None:
        self._store = store
        self._highest: dict[TP, int] = {}

    def fresh(self, batches: Sequence[Batch]) -> tuple[list[Record], dict[TP, int]]:
        """The records that are new, and the highest ids after them."""
        records: list[Record] = []
        highest: dict[TP, int] = {}
        for batch in batches:
            before = highest[batch.tp] if batch.tp in highest else self._stored(batch.tp)
            kept, highest[batch.tp] = _above(batch.records, before)
            records += kept
        return records, highest

    def remember(self, highest: dict[TP, int]) -> None:
        self._highest |= highest

    def forget(self) -> None:
        """What the store has counts again."""
        self._highest.clear()

    def _stored(self, tp: TP) -> int:
        if tp not in self._highest:
            self._highest[tp] = self._store.watermark(mark(tp))
        return self._highest[tp]


def mark(tp: TP) -> str:
    """The watermark's name."""
    return f"seen:{tp.topic}:{tp.partition}"


def _above(records: Sequence[Record], highest: int) -> tuple[list[Record], int]:
    """Those with an id above the highest before them, or without an id; and the highest now."""
    kept = []
    for record in records:
        id = next((value for name, value in record.headers if name == "id"), b"")
        if not id.isdigit():
            kept.append(record)
        elif (number := int(id)) > highest:
            highest = number
            kept.append(record)
    return kept, highest
