"""The profile stage's store made again: rows of the fold, numbers and places of what was published."""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from uuid import UUID

import msgspec

from schemas.times import from_millis
from services.profile.app import PROCESS, identity_policy, lifecycle_policy
from services.profile.customers import SAVE_EVERY, CustomerRow
from services.profile.identity import LinkedSet
from services.profile.stage import ProfileStage
from services.proof.anchors import anchors, known
from services.proof.folding import Fold, Said
from services.proof.profile_corrections import corrections, lost_from_the_log, require_agreement
from services.proof.profile_proven import ProfileProof
from services.proof.published_profiles import FoldedProfiles, PublishedProfiles
from services.proof.refold import Place
from services.proof.scope import Scope
from services.proof.stores_compared import Compared, holders_of
from services.proof.stores_proven import profiles_proven
from services.runtime.clock import SetClock
from services.runtime.event_store import EventStore, RecordedEvent, Transaction
from services.runtime.settings import Settings
from services.runtime.stage import Stage
from services.runtime.store_snapshot import StoreSnapshot

ROWS_A_TRANSACTION = 10_000
COPIED = ("identifiers", "linked_sets")
_set = msgspec.msgpack.Decoder(LinkedSet).decode
_customer = msgspec.msgpack.Decoder(CustomerRow).decode
_pack = msgspec.msgpack.Encoder().encode
Rows = dict[str, bytes | None]


class ProfilePlan:
    """See StorePlan."""

    process = PROCESS

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        shown = settings.identity.model_dump_json() + settings.lifecycle.model_dump_json() + settings.identity.key.get_secret_value()
        self.digest = hashlib.sha256(shown.encode()).hexdigest()
        self._said = PublishedProfiles()
        self._folded = FoldedProfiles(self._said)

    @property
    def later(self) -> Collection[Place]:
        return self._said.conflicting

    def stage(self, store: EventStore, now_ms: int, whole: bool) -> Stage:
        settings = self._settings
        identity, lifecycle = identity_policy(settings.identity), lifecycle_policy(settings.lifecycle)
        return ProfileStage(store, identity, lifecycle, SetClock(now_ms), settings.stage.cache, 1 if whole else SAVE_EVERY)

    def heard(self, events: Sequence[RecordedEvent]) -> None:
        for event in events:
            self._said.take(event)

    def feed(self, fold: Fold, stage: Stage) -> None:
        """All facts are in ``touchpoints``."""

    def settle(self, fold: Fold, stage: Stage) -> None:
        """Rows that say all are cheaper to read than the events that would have to be read after them."""
        assert isinstance(stage, ProfileStage), "the one that it made"
        fold.write(stage.save_all())

    def folded(self, events: Iterable[Said]) -> None:
        for event in events:
            self._folded.take(event)

    def compare(self, fold: StoreSnapshot, live: StoreSnapshot, beside: StoreSnapshot, now_ms: int, scope: Scope) -> Compared:
        scope.apart |= live.due(now_ms)
        holders = holders_of(fold, live)
        return profiles_proven(ProfileProof(fold, live, self._said, self._folded, holders, beside), scope)

    def lost(self) -> int:
        require_agreement(self._said, self._folded)
        return lost_from_the_log(self._said, self._folded)

    def fill(self, fold: StoreSnapshot, beside: StoreSnapshot) -> Iterator[Transaction]:
        for kind in COPIED:
            for page in _pages(fold.rows(kind)):
                yield Transaction(rows={kind: dict(page)})
        for holder in anchors(fold):
            # As they are now: customers get other numbers than those of the fold's events, so nothing could be read again after older rows.
            yield Transaction(rows={"facts": dict(known(fold, self._folded, holder))})
        for page in _pages(fold.rows("touchpoints")):
            yield Transaction(rows={"touchpoints": self._places(page)})
        there: set[str] = set()
        for page in _pages(fold.rows("customers")):
            there |= page.keys()
            yield self._customers(page, page.keys())
        yield self._customers({}, self._said.last.keys() - there)
        self._said.fresh.clear()

    def finish(self, fold: Fold, beside: EventStore, spoken_of: set[str], wrong: set[str], now_ms: int) -> Iterator[Transaction]:
        changed = fold.changed_rows
        counted = changed.get("touchpoints", {}).keys() | self._folded.counted.keys() - self._said.counted.keys()
        events = corrections(self._said, self._folded, _States(fold), _RefusedLinks(fold), wrong, from_millis(now_ms))
        self.heard([RecordedEvent(0, event.originator, event.version, event.type, event.state) for event in events])
        touched = spoken_of | {str(event.originator) for event in events} | changed.get("customers", {}).keys()
        transaction = self._customers(fold.store.rows("customers", touched), touched)
        transaction.rows |= {kind: changed.get(kind, {}) for kind in (*COPIED, "facts")}
        transaction.rows["touchpoints"] = self._places(fold.store.rows("touchpoints", counted | self._said.fresh))
        transaction.rows["quarantines"] = {partition: b"%d" % count for partition, count in self._said.refusals.items()}
        transaction.events = events
        yield transaction

    def _places(self, rows: dict[str, bytes]) -> Rows:
        """The fold's digest, and where the touchpoint was published; those that were not published yet come at the end."""
        return {event_id: placed for event_id, value in rows.items() if (placed := self._said.placed(event_id, value))}

    def _customers(self, rows: dict[str, bytes], ids: Iterable[str]) -> Transaction:
        """Of those about whom something was published."""
        said, transaction = self._said, Transaction(rows={"customers": {}})
        for id in ids:
            if id not in said.last:
                continue
            stored = rows.get(id)
            customer = CustomerRow(id, ":".join(said.names[id])) if stored is None else _customer(stored)
            customer.sequence, customer.lifecycle = said.last[id], said.stage_of_life(id)
            customer.merged_into = said.merged_into.get(id)
            transaction.rows["customers"][id] = _pack(customer)
            transaction.timers[id] = customer.due_ms
        return transaction


def _pages(rows: Iterable[tuple[str, bytes]]) -> Iterator[dict[str, bytes]]:
    found = iter(rows)
    while page := dict(pair for _, pair in zip(range(ROWS_A_TRANSACTION), found, strict=False)):
        yield page


class _States:
    """Events of the fold, those of one customer read at once."""

    def __init__(self, fold: Fold) -> None:
        self._fold = fold
        self._customer, self._states = "", dict[int, bytes]()

    def __call__(self, customer: str, sequence: int) -> bytes:
        if customer != self._customer:
            self._customer = customer
            self._states = {event.version: event.state for event in self._fold.store.events_of(UUID(customer))}
        return self._states[sequence]


class _RefusedLinks:
    """Links that the fold refuses, looked up in its store."""

    def __init__(self, fold: Fold) -> None:
        self._store = fold.store

    def __call__(self, anchor: str, refused: str) -> bool:
        id = self._store.rows("identifiers", [anchor])[anchor].decode()
        return (anchor, refused) in _set(self._store.rows("linked_sets", [id])[id]).refused
