"""Makes a stage's own store again from the log, beside the live one and while traffic goes on; then puts it in its place.

History is not state. The new store holds the state that a fold of the whole log comes to, and the history that was published: its events
under their numbers, as they are on Kafka, and after them what must still be said so that both agree. So whoever subscribes notices
nothing where nothing was wrong, and where something was, it is corrected by the customer's next number.
"""

import hashlib
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from services.proof.folding import Fold
from services.proof.history import History
from services.proof.loyalty_plan import LoyaltyPlan
from services.proof.profile_plan import ProfilePlan
from services.proof.progress import Progress
from services.proof.scope import Scope
from services.proof.store_plan import StorePlan
from services.proof.stores_compared import Compared
from services.runtime.batches import TP
from services.runtime.clock import Clock
from services.runtime.event_store import EventStore, NewEvent, RecordedEvent, Transaction
from services.runtime.failpoints import failpoint
from services.runtime.log_reader import Log, LogReader
from services.runtime.publisher import PUBLISHED, SNAPSHOTS
from services.runtime.settings import Settings
from services.runtime.stage_process import kafka_connection
from services.runtime.store_check import highest_id
from services.runtime.store_exchange import StoreExchange, exchange_of
from services.runtime.store_snapshot import StoreSnapshot

PLANS: dict[str, Callable[[Settings], StorePlan]] = {"profile": ProfilePlan, "loyalty": LoyaltyPlan}
COMPLETE = "rebuilt"
EVENTS_A_TRANSACTION = 64_000
"""Each changes next to every page of the index by customer."""


class OldStoreKept(Exception):
    """Raised by ``rebuild_store``: the store that the last rebuild replaced is still there."""


class FactsLost(Exception):
    """Raised by ``rebuild_store``: something was published that the log does not have; the live store stays as it is."""


@dataclass(slots=True)
class RebuiltStore:
    """``compared``: what differed from the live store, which is put right; None where that could not be read. ``published``: events that
    had been published; ``corrections``: how many were added. ``resumed``: nothing was left but the last step. ``seconds``: in all,
    of which the stage's writers ``waited``."""

    stage: str
    messages: int = 0
    published: int = 0
    corrections: int = 0
    compared: Compared | None = None
    switched: bool = False
    resumed: bool = False
    kept: str = ""
    seconds: float = 0.0
    waited: float = 0.0


def drop_old_store(settings: Settings, stage: str) -> None:
    """The store that the last rebuild replaced, and what an unfinished one has made."""
    plan, exchange = PLANS[stage](settings), _exchange(settings, stage)
    if exchange.is_closed():
        exchange.reopen()
    exchange.drop_beside()
    exchange.drop_kept()
    shutil.rmtree(_folder(settings, plan.process.name), ignore_errors=True)


async def rebuild_store(
    settings: Settings, stage: str, clock: Clock, progress: Progress, *, switch: bool = True, accept_loss: bool = False
) -> RebuiltStore:
    """Call it again after a crash: it goes on where it was. Raises OldStoreKept, FactsLost, Contradicted, HistoryBroken, StillInUse, and
    what Kafka or the stores raise."""
    async with LogReader(kafka_connection(settings.kafka)) as log:
        return await rebuild_store_from(log, settings, stage, clock, progress, switch=switch, accept_loss=accept_loss)


async def rebuild_store_from(
    log: Log, settings: Settings, stage: str, clock: Clock, progress: Progress, *, switch: bool = True, accept_loss: bool = False
) -> RebuiltStore:
    """The same, from any log."""
    return await _Rebuild(log, settings, PLANS[stage](settings), clock, progress).run(switch, accept_loss)


def _exchange(settings: Settings, stage: str) -> StoreExchange:
    process = PLANS[stage](settings).process
    return exchange_of(settings, process.name, process.kinds, process.item_kinds)


def _folder(settings: Settings, stage: str) -> Path:
    return settings.data_dir / "rebuild" / stage


class _Rebuild:
    def __init__(self, log: Log, settings: Settings, plan: StorePlan, clock: Clock, progress: Progress) -> None:
        self._log = log
        self._settings, self._plan, self._clock, self._progress = settings, plan, clock, progress
        self._stage = plan.process.name
        self._exchange = _exchange(settings, self._stage)
        self._history = History(self._stage, plan.process.publishes)
        self._published = 0
        self._spoken_of: set[UUID] = set()
        self._closed_at = time.monotonic()
        self._rebuilt = RebuiltStore(self._stage, kept=self._exchange.kept_where)

    async def run(self, switch: bool, accept_loss: bool) -> RebuiltStore:
        began = time.monotonic()
        try:
            return await self._run(switch, accept_loss)
        finally:
            self._rebuilt.seconds = time.monotonic() - began

    async def _run(self, switch: bool, accept_loss: bool) -> RebuiltStore:
        self._rebuilt.resumed = True
        if self._is_complete():
            return self._put_in_place()
        if self._exchange.is_kept():
            if _folder(self._settings, self._stage).exists():
                return self._cleaned_up()
            raise OldStoreKept(f"what the last rebuild replaced is still kept in {self._exchange.kept_where}")
        self._rebuilt.resumed = False
        self._exchange.drop_beside()
        fold, beside = self._fold(), self._exchange.beside()
        try:
            await self._build(fold, beside, accept_loss)
            if not switch:
                return self._rebuilt
            self._closed_at = time.monotonic()
            await self._complete(fold, beside)
        finally:
            fold.close()
            beside.close()
        return self._put_in_place()

    def _is_complete(self) -> bool:
        """Whether a former run got as far as the exchange."""
        if not self._exchange.has_beside():
            return False
        beside = self._exchange.beside()
        try:
            return bool(beside.watermark(COMPLETE))
        finally:
            beside.close()

    def _fold(self) -> Fold:
        """Goes on with what a former run has folded, if it was with the same configuration."""
        folder = _folder(self._settings, self._stage)
        made_with = folder / "configuration"
        digest = hashlib.sha256(self._plan.digest.encode()).hexdigest()
        if not made_with.exists() or made_with.read_text(encoding="utf-8") != digest:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            made_with.write_text(digest, encoding="utf-8")
        return Fold(folder / "fold.sqlite", self._plan.process, self._plan.folded)

    # ---- while the live stage goes on

    async def _build(self, fold: Fold, beside: EventStore, accept_loss: bool) -> None:
        self._progress(f"{self._stage}: looking at the live store", 0, 0)
        live = await self._trusted()
        now_ms = self._clock.now_ms()
        try:
            await self._hear(beside, live, whole=live is None)
            ends = _positions(live) if live else await self._log.ends(self._plan.process.topics)
            stage = self._plan.stage(fold.store, now_ms, whole=False)
            await fold.up_to(self._log, ends, stage, self._plan.later, self._progress)
            self._plan.feed(fold, stage)
            fold.pass_time(stage, now_ms)
            self._plan.settle(fold, stage)
            self._rebuilt.messages = sum(ends.values())
            if (lost := self._plan.lost()) and not accept_loss:
                raise FactsLost(f"{lost:,} touchpoints were published that Kafka does not have; the live store stays as it is")
            fold.note_changes()
            self._fill(fold, beside)
            self._spoken_of.clear()
            if live is not None:
                self._compare(fold, live, now_ms)
        finally:
            if live is not None:
                live.close()

    async def _trusted(self) -> StoreSnapshot | None:
        """The live store; None where it is missing, damaged, or an old copy that does not know what was published."""
        published = await highest_id(self._log, self._plan.process.publishes)
        if not self._exchange.is_sound():
            return None
        live = self._exchange.snapshot()
        if live.last_id() >= published:
            return live
        live.close()
        return None

    async def _hear(self, beside: EventStore, live: StoreSnapshot | None, whole: bool) -> None:
        """What was published since, into the new store. ``whole``: nothing more will be said, so what is missing on Kafka is taken from
        the live store."""
        run: list[RecordedEvent] = []
        async for more in self._history.read(self._log):
            run += more
            if len(run) >= EVENTS_A_TRANSACTION:
                self._keep(beside, run)
                run = []
            self._progress(f"{self._stage}: reading what was published", self._history.contiguous, 0)
        self._keep(beside, run)
        self._published = self._history.contiguous if live else self._history.last_published
        up_to = self._history.last_published if whole else live.watermark(PUBLISHED) if live else 0
        stored: dict[int, RecordedEvent] = {}
        if live is not None and (whole or up_to > self._history.contiguous):
            stored = {event.id: event for event in live.events(self._history.contiguous)}
            up_to = max([up_to, *stored]) if whole else up_to
        self._keep(beside, self._history.fill(stored, up_to))

    def _keep(self, beside: EventStore, run: Sequence[RecordedEvent]) -> None:
        self._plan.heard(run)
        beside.commit(Transaction(events=[NewEvent(one.originator, one.version, one.type, one.state) for one in run]))
        self._spoken_of.update(one.originator for one in run)

    def _compare(self, fold: Fold, live: StoreSnapshot, now_ms: int) -> None:
        """Who changed meanwhile, or has said something that is not on Kafka yet, is set apart."""
        with self._exchange.snapshot() as now, fold.snapshot() as expected, self._exchange.snapshot_beside() as beside:
            known = min(live.last_id(), self._history.contiguous)
            scope = Scope(apart={str(originator) for originator in now.originators_after(known)})
            self._progress(f"{self._stage}: comparing with the live store", 0, 1)
            self._rebuilt.compared = self._plan.compare(expected, live, beside, now_ms, scope)
            self._progress(f"{self._stage}: comparing with the live store", 1, 1)

    def _fill(self, fold: Fold, beside: EventStore) -> None:
        with fold.snapshot() as expected, self._exchange.snapshot_beside() as found:
            rows = 0
            for transaction in self._plan.fill(expected, found):
                beside.commit(transaction)
                rows += sum(map(len, (*transaction.rows.values(), *transaction.items.values())))
                self._progress(f"{self._stage}: writing the new store", rows, 0)

    # ---- while it waits

    async def _complete(self, fold: Fold, beside: EventStore) -> None:
        """The live store is closed; what it did since is done here too, and what is left to be said is decided."""
        self._progress(f"{self._stage}: switching over", 0, 2)
        if self._exchange.is_sound():
            self._exchange.close()
        failpoint("rebuild_closed")
        live, now_ms = await self._trusted(), self._clock.now_ms()
        try:
            await self._hear(beside, live, whole=True)
            stage = self._plan.stage(fold.store, now_ms, whole=True)
            if live is not None:
                await fold.up_to(self._log, _positions(live), stage, self._plan.later, self._progress)
            self._plan.feed(fold, stage)
            fold.pass_time(stage, now_ms)
            wrong = self._rebuilt.compared.unequal if self._rebuilt.compared else set()
            before = beside.last_id
            for transaction in self._plan.finish(fold, beside, set(map(str, self._spoken_of)), wrong, now_ms):
                beside.commit(transaction)
            self._rebuilt.published, self._rebuilt.corrections = before, beside.last_id - before
            beside.commit(_last(fold, self._published, live.watermark(SNAPSHOTS) if live else 0))
        finally:
            if live is not None:
                live.close()
        failpoint("rebuild_complete")

    def _put_in_place(self) -> RebuiltStore:
        self._exchange.exchange()
        self._rebuilt.waited = time.monotonic() - self._closed_at
        failpoint("rebuild_exchanged")
        return self._cleaned_up()

    def _cleaned_up(self) -> RebuiltStore:
        shutil.rmtree(_folder(self._settings, self._stage), ignore_errors=True)
        self._rebuilt.switched = True
        self._progress(f"{self._stage}: switching over", 2, 2)
        return self._rebuilt


def _last(fold: Fold, published: int, covered: int) -> Transaction:
    positions = {f"{tp.topic}:{tp.partition}": (0, next) for tp, next in fold.positions().items()}
    marks = {PUBLISHED: published, SNAPSHOTS: min(covered, published), COMPLETE: 1}
    return Transaction(positions=positions, watermarks=marks | fold.seen())


def _positions(live: StoreSnapshot) -> dict[TP, int]:
    found = live.positions().items()
    return {TP(name.rpartition(":")[0], int(name.rpartition(":")[2])): next for name, next in found}
