"""Runs a stage's business part exactly once: batches in, one transaction each, its events out.

A sink of the stream (stream.py). It decides, writes, and lets the COMMIT run in a thread while the next batch is fetched
and decided; what is committed goes to the outbox (outbox.py). A failed commit drops the stage's caches and everything
is read again from the stored positions.

Where other workers write to the same store, a decision may come too late. Whoever was overtaken takes turns from then on:
it keeps the others out before it decides, until nobody else has written for some batches.

    async with Worker(stage, store, connection) as worker:
        return await run(build(connection, "group", ["topic"], worker, stage=stage.name))
"""

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

from services.runtime import metrics
from services.runtime.batches import TP, Batch, NotYet
from services.runtime.clock import Clock, SystemClock
from services.runtime.commands import Asked, Commands, fail, give
from services.runtime.event_store import EventStore, Stale, Transaction
from services.runtime.failpoints import failpoint
from services.runtime.kafka import KafkaConnection
from services.runtime.outbox import Outbox
from services.runtime.publisher import Publisher
from services.runtime.quarantine_limit import QuarantineLimit
from services.runtime.seen_messages import SeenMessages, mark
from services.runtime.stage import CommandedStage, Message, Record, Stage
from services.runtime.tracing import BatchSpans, Tracer, traced

__all__ = ["Message", "Record", "Stage", "Worker"]
log = logging.getLogger(__name__)
DECISIONS_A_BATCH = 3
DECISIONS_ON_COMMANDS = 20
"""Each time another writer was faster, which then got further."""
TURN_SECONDS = 0.5
UNHEALTHY_SECONDS = 30.0
TURNS = 8
"""So many times in a row nobody else may have written before a worker that was overtaken decides without taking turns again."""
OLD_MS = 2_000
"""A record that waited longer, since it was written to its topic, tells that the stage is behind."""
REPEATED = ("duplicate", "already_seen")


class CommitLost(Stale):
    """The commit before failed, after which more was decided. Every partition must be read again."""


class Worker:
    """See the module. `deduplicate_by_id` drops records whose header `id` is not above the highest seen in their
    partition, which is right for topics that an outbox fills. `max_backlog`: events committed and not yet published,
    past which no batch is taken; `snapshot_seconds`: an originator's snapshot is published at most this often.
    `commands` are for a CommandedStage: they are decided between batches, those that wait in one transaction."""

    def __init__(
        self,
        stage: Stage,
        store: EventStore,
        connection: KafkaConnection,
        *,
        deduplicate_by_id: bool = False,
        snapshot_seconds: float = 1.0,
        tick_seconds: float = 1.0,
        max_backlog: int = 32_000,
        max_quarantine_share: float = 1.0,
        clock: Clock | None = None,
        tracer: Tracer | None = None,
        **producer: Any,
    ) -> None:
        self._stage, self._store, self._clock = stage, store, clock or SystemClock()
        self._outbox = Outbox(connection, store, stage.route, stage.name, **producer)
        self._publisher = Publisher(self._outbox, store, stage, snapshot_seconds, max_backlog)
        self._seen = SeenMessages(store) if deduplicate_by_id else None
        self._limit = QuarantineLimit(max_quarantine_share)
        self._tick_seconds, self._tracer = tick_seconds, tracer
        self.commands = Commands()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="commit")
        self._committing: asyncio.Task[None] | None = None
        self._fresh = False  # whether caches and the store's head may be counted on
        self._turns = 0  # how often yet to take the store's turn before deciding, since others write too
        self._last_pause = self._last_tick = 0.0
        self._last_old = float("-inf")  # monotonic seconds at which the last batch came that had waited for long
        self._failing_since: float | None = None  # monotonic seconds since which no commit has worked
        self._failure = ""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Ends the open commit, publishes what is left if that takes no longer than a second, keeps the watermarks."""
        self.commands.close()
        try:
            await self._settled()
            await self._publisher.leave()
        except Exception as error:  # the store decides what happened; nothing is lost by leaving now
            log.warning("%s: left in the middle of something: %r", self._stage.name, error)
        finally:
            await self._outbox.rest()
            self._thread.shutdown(wait=False)
            self._store.close()

    def problem(self) -> str | None:
        """What has kept it from storing or publishing for half a minute; None: nothing."""
        storing = "storing", self._failing_since, self._failure
        for what, since, failure in (storing, ("publishing", self._outbox.failing_since, self._outbox.failure)):
            if since is not None and time.monotonic() - since > UNHEALTHY_SECONDS:
                return f"{what}: {failure}"
        return None

    # ---- as a sink ----

    async def positions(self, tps: Iterable[TP]) -> Mapping[TP, int]:
        self._fresh = False
        stored = self._store.positions()
        named = {tp: f"{tp.topic}:{tp.partition}" for tp in tps}
        return {tp: stored[name] for tp, name in named.items() if name in stored}

    async def apply(self, batches: Sequence[Batch]) -> None:
        began = time.monotonic()
        if time.time() * 1000 - min(batch.records[0].timestamp for batch in batches) > OLD_MS:
            self._last_old = began
        for _ in range(DECISIONS_A_BATCH):
            await self._publisher.behind()
            await self._begin()
            try:
                transaction, seen = self._decided(batches)
                spans = self._spans(batches, transaction, began)
                counted = self._limit.check(transaction.outcomes)
                await self._settled()
                first = self._write(transaction)
            except CommitLost:
                raise
            except Stale:
                self._overtaken()
                if not self._still_at(batches):
                    raise
                metrics.BATCHES.labels(self._stage.name, "overtaken").inc()
            except BaseException:
                self._give_up()
                raise
            else:
                self._limit.remember(counted)
                if self._seen:
                    self._seen.remember(seen)
                self._committing = asyncio.create_task(self._commit(transaction, first, began, spans))
                return
        raise Stale("other writers were faster several times in a row")

    async def tick(self) -> None:
        """Commands at once; once a second even when busy, else whenever no commit is open: what must not meet an open commit."""
        if asked := self.commands.take():
            await self._answer(asked)
        now = time.monotonic()
        if self._committing and not self._committing.done() and now - self._last_pause < self._tick_seconds:
            return
        self._last_pause = now
        await self._settled()
        await self._freshen()
        if self._store.publisher_lock() and self._store.refresh():  # others committed: publish that too
            self._fresh = False
            await self._freshen()
        if not await self._publisher.lead():
            return
        if now - self._last_tick >= self._tick_seconds:
            await self._decide_by_time(now)
        if self._fresh:
            self._publisher.take_snapshots(now, behind=now - self._last_old < self._tick_seconds)
        self._publisher.keep_marks()

    # ---- deciding ----

    def _decided(self, batches: Sequence[Batch]) -> tuple[Transaction, dict[TP, int]]:
        """Reads of the store in here wait until the commit before is through, and see it."""
        every = [record for batch in batches for record in batch.records]
        records, seen = self._seen.fresh(batches) if self._seen else (every, {})
        transaction = self._stage.decide(records) if records else Transaction()
        metrics.DECIDED.labels(self._stage.name).inc(len(records))
        self._check_routes(transaction)
        transaction.positions = _positions(batches)
        transaction.watermarks |= {mark(tp): highest for tp, highest in seen.items()}
        if repeated := len(every) - len(records):
            transaction.outcomes[REPEATED] += repeated
        return transaction, seen

    def _spans(self, batches: Sequence[Batch], transaction: Transaction, began: float) -> BatchSpans | None:
        """Where traces are wanted; what is decided then goes on under these spans."""
        if self._tracer is None:
            return None
        every = (record for batch in batches for record in batch.records)
        spans = self._tracer.batch("process", every, time.monotonic() - began)
        transaction.traces = traced(spans, transaction.traces)
        return spans

    def _check_routes(self, transaction: Transaction) -> None:
        if unknown := {event.type for event in transaction.events} - self._stage.route.keys():
            raise KeyError(f"{self._stage.name} names no topic for events of type {sorted(unknown)}")

    async def _decide_by_time(self, now: float) -> None:
        """All that is due, but for no longer than half a second: then batches get their turn, and this goes on after."""
        while time.monotonic() - now < TURN_SECONDS:
            began = time.monotonic()
            try:
                await self._begin()
            except NotYet:
                return
            try:
                transaction = self._stage.tick(self._clock.now_ms())
                if transaction is None or transaction.is_empty():
                    self._store.leave_turn()
                    self._last_tick = now
                    return
                self._check_routes(transaction)
                first = self._write(transaction)
            except Stale as stale:
                log.info("%s: deciding again what is due: %s", self._stage.name, stale)
                self._overtaken()
                return
            except BaseException:
                self._give_up()
                raise
            self._committing = asyncio.create_task(self._commit(transaction, first, began))
            await self._settled()
            try:
                await self._publisher.behind()
            except NotYet:
                return

    # ---- commands ----

    async def _answer(self, asked: Sequence[Asked]) -> None:
        """To each its answer, or that there is none. What is wrong with the store or the commit before is raised too."""
        try:
            await self._publisher.behind()
            answers = await self._decided_commands([one.command for one in asked])
        except NotYet as waits:
            fail(asked, str(waits))
        except BaseException as error:
            fail(asked, f"it could not be stored: {error!r}")
            raise
        else:
            give(asked, answers)

    async def _decided_commands(self, commands: Sequence[Any]) -> Sequence[Any]:
        stage: CommandedStage = self._stage  # type: ignore[assignment]
        for _ in range(DECISIONS_ON_COMMANDS):
            began = time.monotonic()
            await self._settled()
            await self._begin()
            try:
                transaction, answers = stage.answer(commands)
                self._check_routes(transaction)
                if not transaction.changes_state():
                    if self._store.refresh():
                        raise Stale("another writer committed")
                    self._store.leave_turn()
                    return answers
                first = self._write(transaction)
            except Stale:
                self._overtaken()
                continue
            except BaseException:
                self._give_up()
                raise
            self._committing = asyncio.create_task(self._commit(transaction, first, began))
            await self._settled()
            return answers
        raise Stale("other writers were faster every time")

    # ---- committing ----

    def _write(self, transaction: Transaction) -> int:
        marks = self._publisher.new_marks()
        transaction.watermarks |= marks
        self._outbox.traces.write(transaction, self._store.last_id + 1)
        first = self._store.write(transaction)
        self._publisher.stored(marks)
        return first

    async def _commit(self, transaction: Transaction, first: int, began: float, spans: BatchSpans | None = None) -> None:
        failpoint("before_commit")
        await asyncio.get_running_loop().run_in_executor(self._thread, self._store.finish)
        self._failing_since = None
        failpoint("after_commit")
        self._outbox.committed(first, transaction.events, transaction.traces)
        if spans:
            spans.end()
        stage = self._stage.name
        metrics.BATCH_SECONDS.labels(stage).observe(time.monotonic() - began)
        metrics.STORED.labels(stage).inc(len(transaction.events))
        for (outcome, reason), count in transaction.outcomes.items():
            metrics.MESSAGES.labels(stage, outcome, reason).inc(count)
        if log.isEnabledFor(logging.DEBUG):
            for id, event in enumerate(transaction.events, first):
                said = {"originator": str(event.originator), "sequence": event.version, "type": event.type, "notification": id}
                log.debug("%s stored an event", stage, extra=said)

    async def _settled(self) -> None:
        """Waits for the open commit. CommitLost if it failed."""
        if not self._committing:
            return
        try:
            await asyncio.shield(self._committing)
        except Exception as failed:
            self._committing, self._fresh = None, False
            self._failing_since, self._failure = self._failing_since or time.monotonic(), repr(failed)
            log.warning("%s: what was decided could not be stored, it is read and decided again: %r", self._stage.name, failed)
            self._publisher.forget()
            raise CommitLost(f"the commit before failed: {failed!r}") from failed
        self._committing = None

    async def _freshen(self) -> None:
        """After anything that may have made caches untrue."""
        if self._fresh:
            return
        await self._settled()
        self._store.refresh()
        self._stage.forget()
        if self._seen:
            self._seen.forget()
        self._fresh = True

    async def _begin(self) -> None:
        """Before every decision: caches are true. Where others write too, it is this worker's turn until what is decided is committed.
        NotYet: others took too long."""
        if self._turns:
            await self._settled()
            if not await asyncio.get_running_loop().run_in_executor(self._thread, self._store.take_turn):
                raise NotYet("other writers take long")
        try:
            if self._turns:
                others = self._store.refresh()
                self._fresh = self._fresh and not others
                self._turns = TURNS if others else self._turns - 1
            await self._freshen()
        except BaseException:
            self._give_up()
            raise

    def _overtaken(self) -> None:
        """What was decided counts for nothing. To decide again like that would lose again to whoever was faster: it is in their memory."""
        self._give_up()
        self._turns = TURNS

    def _give_up(self) -> None:
        self._fresh = False
        self._store.leave_turn()

    def _still_at(self, batches: Sequence[Batch]) -> bool:
        """Whether only another writer's news made the batches stale: then they need not be fetched again."""
        stored = self._store.positions()
        return all(stored.get(name, 0) == start for name, (start, _) in _positions(batches).items())


def _positions(batches: Sequence[Batch]) -> dict[str, tuple[int, int]]:
    """Batches of one partition follow one another."""
    positions: dict[str, tuple[int, int]] = {}
    for batch in batches:
        name = f"{batch.tp.topic}:{batch.tp.partition}"
        positions[name] = positions[name][0] if name in positions else batch.start, batch.next
    return positions
