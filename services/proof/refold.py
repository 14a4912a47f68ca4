"""The log folded anew: the stages' own business parts over scratch stores, in one process, without Kafka behind them."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar
from uuid import UUID

import msgspec

from schemas import topics
from services.loyalty import programme_file
from services.loyalty.app import PROCESS as LOYALTY
from services.loyalty.stage import LoyaltyStage
from services.profile.app import PROCESS as PROFILE
from services.profile.app import identity_policy, lifecycle_policy
from services.profile.stage import ProfileStage
from services.proof.shown import readable
from services.runtime.clock import SetClock
from services.runtime.event_store import RecordedEvent
from services.runtime.event_store_sqlite import SQLiteEventStore
from services.runtime.settings import Settings
from services.runtime.stage import Message, Record, Stage
from services.runtime.stage_process import StageProcess
from services.runtime.store_snapshot import StoreSnapshot, snapshot_of

EVENTS_A_BATCH = 8_000
R = TypeVar("R", bound=Record)
Place = tuple[str, int, int]
"""Topic, partition, offset."""


class Published(msgspec.Struct, frozen=True, gc=False):
    """A message as a stage's outbox would put it on Kafka."""

    topic: str
    key: bytes
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    offset: int = 0
    partition: int = 0
    timestamp: int = 0


class Refold:
    """Scratch stores of both stages in a folder of the caller's. First all touchpoints, then time, then loyalty: what profile said,
    and the redemptions that were accepted."""

    def __init__(self, folder: Path, settings: Settings, now_ms: int, later: Collection[Place] = ()) -> None:
        """``now_ms``: the moment at which both sides are compared. ``later``: records that the live stage refused because another
        with their event_id came first; they are taken last, so that the same one wins here."""
        self._folder, self._now_ms, self._places = folder, now_ms, frozenset(later)
        self._later: list[Record] = []
        self._profile_store, self._loyalty_store = _store(folder, PROFILE), _store(folder, LOYALTY)
        identity, lifecycle = identity_policy(settings.identity), lifecycle_policy(settings.lifecycle)
        self._profile = ProfileStage(self._profile_store, identity, lifecycle, SetClock(now_ms), settings.stage.cache)
        programme = programme_file.load(settings.loyalty.programme)
        # At its beginning, so that what is overdue does not wait for more to come, as it does while a past is being loaded.
        self._loyalty = LoyaltyStage(self._loyalty_store, programme, SetClock(0), settings.stage.cache)

    def take(self, records: Sequence[Record]) -> None:
        """Records of ``touchpoints``, in any order."""
        if self._places:
            self._later += [record for record in records if (record.topic, record.partition, record.offset) in self._places]
            records = [record for record in records if (record.topic, record.partition, record.offset) not in self._places]
        if records:
            self._profile_store.commit(self._profile.decide(records))

    def end_of_log(self) -> None:
        """Everything was taken: what waited, and what time brings to profiles."""
        if self._later:
            self._profile_store.commit(self._profile.decide(self._later))
        _pass_time(self._profile, self._profile_store, self._now_ms)

    def fold_loyalty(self, now_ms: int, redemptions: Sequence[Record] = ()) -> Iterator[int]:
        """The loyalty stage over what the profile stage published and these records of ``loyalty-events``, then time. Yields how many
        messages are through."""
        done = 0
        while events := self._profile_store.events_after(done, EVENTS_A_BATCH):
            done = events[-1].id
            said = [published(event, topics.PROFILE_CHANGES.name) for event in events if event.type != "quarantined"]
            self._loyalty_store.commit(self._loyalty.decide(said))
            yield done
        self._loyalty_store.commit(self._loyalty.decide(redemptions))
        _pass_time(self._loyalty, self._loyalty_store, now_ms)

    def profile(self) -> StoreSnapshot:
        return snapshot_of(self._folder / f"{PROFILE.name}.sqlite")

    def loyalty(self) -> StoreSnapshot:
        return snapshot_of(self._folder / f"{LOYALTY.name}.sqlite")

    def profiles(self, ids: Collection[UUID]) -> Iterable[Message]:
        """Snapshots of these customers."""
        return self._profile.snapshots(ids)

    def moves_on(self) -> dict[str, int]:
        """Customer → when, in epoch milliseconds, time alone moves it on next; without those that it never does."""
        with self.profile() as profile:
            ids = [id for id, _ in profile.rows("customers")]
        pages = (ids[begin : begin + EVENTS_A_BATCH] for begin in range(0, len(ids), EVENTS_A_BATCH))
        return {id: moment for page in pages for id, moment in self._profile.moves_on(page).items()}

    def close(self) -> None:
        self._profile_store.close()
        self._loyalty_store.close()


def published(event: RecordedEvent, topic: str) -> Published:
    """With the headers that the outbox gives it."""
    headers = (("id", b"%d" % event.id), ("type", event.type.encode()), ("sequence", b"%d" % event.version))
    return Published(topic, str(event.originator).encode(), event.state, headers, offset=event.id)


def accepted_redemptions(records: Iterable[R], last_id: int) -> list[R]:
    """Those among records of ``loyalty-events`` that are facts, as far as that notification id. Each has the headers of the outbox."""
    return [record for record in records if _header(record, "type") == b"redemption_accepted" and int(_header(record, "id")) <= last_id]


def _header(record: Record, name: str) -> bytes:
    return next((value for key, value in record.headers if key == name), b"")


class _Refusal(msgspec.Struct, gc=False):
    reason: str
    topic: str
    partition: int
    offset: int


_refusal = msgspec.json.Decoder(_Refusal).decode


def refused_as_conflicting(store: StoreSnapshot) -> set[Place]:
    """Where the records are that lost against another with the same event_id: the one thing in which order counts."""
    said = (readable(_refusal, event.state) for event in store.events() if event.type == "quarantined")
    return {(one.topic, one.partition, one.offset) for one in said if one and one.reason == "conflicting_duplicate"}


def _store(folder: Path, process: StageProcess) -> SQLiteEventStore:
    path = folder / f"{process.name}.sqlite"
    return SQLiteEventStore(path, kinds=process.kinds, item_kinds=process.item_kinds, synchronous="NORMAL")


def _pass_time(stage: Stage, store: SQLiteEventStore, now_ms: int) -> None:
    while (transaction := stage.tick(now_ms)) is not None and not transaction.is_empty():
        store.commit(transaction)
