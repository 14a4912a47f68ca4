"""Runs a stage's business part exactly once: batches in, one transaction each, its events out.

A sink of the stream (stream.py). It decides, writes, and lets the COMMIT run in a thread while the next batch is fetched
and decided; what is committed goes to the outbox (outbox.py). A failed commit drops the stage's caches and everything
is read again from the stored positions.

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
from services.runtime.event_store import EventStore, Stale, Transaction
from services.runtime.kafka import KafkaConnection
from services.runtime.outbox import Outbox
from services.runtime.stage import Message, Record, Stage

__all__ = ["Message", "Record", "Stage", "Worker"]
log = logging.getLogger(__name__)
DECISIONS_A_BATCH = 3
TURN_SECONDS = 0.5
REPEATED = ("duplicate", "already_seen")
PUBLISHED, SNAPSHOTS = "published", "snapshots"


class CommitLost(Stale):
    """The commit before failed, after which more was decided. Every partition must be read again."""


class Worker:
    """See the module. `deduplicate_by_id` drops records whose header `id` is not above the highest seen in their
    partition, which is right for topics that an outbox fills. `max_backlog`: events committed and not yet published,
    past which no batch is taken; `snapshot_seconds`: an originator's snapshot is published at most this often."""

    def __init__(
        self,
        stage: Stage,
        store: EventStore,
        connection: KafkaConnection,
        *,
        deduplicate_by_id: bool = False,
        snapshot_seconds: float = 1.0,
        tick_seconds: float = 1.0,
        max_backlog: int = 16_000,
        clock: Clock | None = None,
        **producer: Any,
    ) -> None:
        self._stage, self._store, self._clock = stage, store, clock or SystemClock()
        self._outbox = Outbox(connection, store, stage.route, stage.name, **producer)
        self._deduplicate, self._max_backlog = deduplicate_by_id, max_backlog
        self._snapshot_seconds, self._tick_seconds = snapshot_seconds, tick_seconds
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="commit")
        self._committing: asyncio.Task[None] | None = None
        self._fresh = False  # whether caches and the store's head may be counted on
        self._seen: dict[TP, int] = {}
        self._stored_marks: dict[str, int] = {}
        self._last_pause = self._last_tick = self._last_snapshots = self._last_marks = 0.0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Ends the open commit, publishes what is left if that takes no longer than a second, keeps the watermarks."""
        try:
            await self._settled()
            await self._outbox.rest(finish_within=1.0)
            for name, value in self._new_marks().items():
                self._store.set_watermark(name, value)
        except Exception as error:  # the store decides what happened; nothing is lost by leaving now
            log.warning("%s: left in the middle of something: %r", self._stage.name, error)
        self._thread.shutdown(wait=False)
        self._store.close()

    # ---- as a sink ----

    async def positions(self, tps: Iterable[TP]) -> Mapping[TP, int]:
        self._fresh = False
        stored = self._store.positions()
        named = {tp: f"{tp.topic}:{tp.partition}" for tp in tps}
        return {tp: stored[name] for tp, name in named.items() if name in stored}

    async def apply(self, batches: Sequence[Batch]) -> None:
        began = time.monotonic()
        for _ in range(DECISIONS_A_BATCH):
            await self._freshen()
            await self._wait_for_outbox()
            try:
                transaction, seen = self._decided(batches)
                await self._settled()
                first = self._write(transaction)
            except CommitLost:
                raise
            except Stale:
                self._fresh = False
                if not self._still_at(batches):
                    raise
            except BaseException:
                self._fresh = False
                raise
            else:
                self._seen.update(seen)
                self._committing = asyncio.create_task(self._commit(transaction, first, began))
                return
        raise Stale("other writers were faster several times in a row")

    async def tick(self) -> None:
        """Once a second even when busy, else whenever no commit is open: what must not meet an open commit."""
        now = time.monotonic()
        if self._committing and not self._committing.done() and now - self._last_pause < self._tick_seconds:
            return
        self._last_pause = now
        await self._settled()
        await self._freshen()
        await self._lead()
        if not self._outbox.leads:
            return
        self._outbox.committed_up_to(self._store.last_id)
        if now - self._last_tick >= self._tick_seconds:
            try:
                await self._decide_by_time(now)
            except NotYet:
                return
            except BaseException:
                self._fresh = False
                raise
        if self._fresh:
            self._take_snapshots(now)
        self._keep_marks(now)

    # ---- deciding ----

    def _decided(self, batches: Sequence[Batch]) -> tuple[Transaction, dict[TP, int]]:
        """Reads of the store in here wait until the commit before is through, and see it."""
        seen: dict[TP, int] = {}
        repeated = 0
        records: list[Record] = []
        for batch in batches:
            if self._deduplicate:
                fresh, seen[batch.tp] = _above(batch.records, seen.get(batch.tp) or self._highest_seen(batch.tp))
                repeated += len(batch.records) - len(fresh)
                records += fresh
            else:
                records += batch.records
        transaction = self._stage.decide(records) if records else Transaction()
        self._check_routes(transaction)
        transaction.positions = _positions(batches)
        transaction.watermarks |= {_seen_mark(tp): id for tp, id in seen.items() if id != self._seen.get(tp)}
        if repeated:
            transaction.outcomes[REPEATED] += repeated
        return transaction, seen

    def _highest_seen(self, tp: TP) -> int:
        if tp not in self._seen:
            self._seen[tp] = self._store.watermark(_seen_mark(tp))
        return self._seen[tp]

    def _check_routes(self, transaction: Transaction) -> None:
        if unknown := {event.type for event in transaction.events} - self._stage.route.keys():
            raise KeyError(f"{self._stage.name} names no topic for events of type {sorted(unknown)}")

    async def _decide_by_time(self, now: float) -> None:
        """All that is due, but for no longer than half a second: then batches get their turn, and this goes on after."""
        while time.monotonic() - now < TURN_SECONDS:
            transaction = self._stage.tick(self._clock.now_ms())
            if transaction is None or transaction.is_empty():
                self._last_tick = now
                return
            self._check_routes(transaction)
            began = time.monotonic()
            try:
                first = self._write(transaction)
            except Stale as stale:
                log.info("%s: deciding again what is due: %s", self._stage.name, stale)
                self._fresh = False
                return
            self._committing = asyncio.create_task(self._commit(transaction, first, began))
            await self._settled()
            await self._wait_for_outbox()

    # ---- committing ----

    def _write(self, transaction: Transaction) -> int:
        marks = self._new_marks()
        transaction.watermarks |= marks
        first = self._store.write(transaction)
        self._stored_marks |= marks
        return first

    async def _commit(self, transaction: Transaction, first: int, began: float) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._store.finish)
        self._outbox.committed(first, transaction.events)
        stage = self._stage.name
        metrics.BATCH_SECONDS.labels(stage).observe(time.monotonic() - began)
        metrics.STORED.labels(stage).inc(len(transaction.events))
        for (outcome, reason), count in transaction.outcomes.items():
            metrics.MESSAGES.labels(stage, outcome, reason).inc(count)

    async def _settled(self) -> None:
        """Waits for the open commit. CommitLost if it failed."""
        if not self._committing:
            return
        try:
            await asyncio.shield(self._committing)
        except Exception as failed:
            self._committing, self._fresh = None, False
            self._stored_marks.clear()
            raise CommitLost(f"the commit before failed: {failed!r}") from failed
        self._committing = None

    async def _freshen(self) -> None:
        """After anything that may have made caches untrue."""
        if self._fresh:
            return
        await self._settled()
        self._store.refresh()
        self._stage.forget()
        self._seen.clear()
        self._fresh = True

    def _still_at(self, batches: Sequence[Batch]) -> bool:
        """Whether only another writer's news made the batches stale: then they need not be fetched again."""
        stored = self._store.positions()
        return all(stored.get(name, 0) == start for name, (start, _) in _positions(batches).items())

    # ---- publishing ----

    async def _lead(self) -> None:
        """Publish if nobody else does; and notice what others committed."""
        leads = self._store.publisher_lock()
        metrics.PUBLISHING.labels(self._stage.name).set(leads)
        if self._outbox.leads and not leads:
            await self._outbox.rest()
        elif leads and not self._outbox.leads:
            self._store.refresh()
            self._fresh = False
            await self._freshen()
            marks = self._store.watermark(PUBLISHED), self._store.watermark(SNAPSHOTS)
            self._stored_marks = dict(zip((PUBLISHED, SNAPSHOTS), marks, strict=True))
            self._outbox.lead(*marks, self._store.last_id)
        elif leads and self._store.refresh():
            self._fresh = False
            await self._freshen()

    async def _wait_for_outbox(self) -> None:
        if self._outbox.backlog > self._max_backlog:
            await self._outbox.progress(seconds=1.0)
        if self._outbox.backlog > self._max_backlog:
            raise NotYet(f"{self._outbox.backlog} events wait for Kafka")

    def _take_snapshots(self, now: float) -> None:
        if now - self._last_snapshots < self._snapshot_seconds:
            return
        if touched := self._outbox.take_touched():
            self._last_snapshots = now
            ids = {str(originator).encode(): id for originator, id in touched.items()}
            found = [(ids.get(message.key, 0), message) for message in self._stage.snapshots(touched)]
            found.sort(key=lambda one: one[0])
            self._outbox.add_snapshots((_with_id(message, id) for id, message in found), after=self._store.last_id)

    def _new_marks(self) -> dict[str, int]:
        """How far publishing has come since it was last stored."""
        if not self._outbox.leads:
            return {}
        marks = {PUBLISHED: self._outbox.published, SNAPSHOTS: self._outbox.covered}
        return {name: value for name, value in marks.items() if value != self._stored_marks.get(name)}

    def _keep_marks(self, now: float) -> None:
        """When no transaction has carried them for a second."""
        marks = self._new_marks()
        if not marks:
            self._last_marks = now
        elif now - self._last_marks > 1.0:
            for name, value in marks.items():
                self._store.set_watermark(name, value)
            self._stored_marks |= marks


def _above(records: Sequence[Record], highest: int) -> tuple[list[Record], int]:
    """Those with an id above the highest before them, or without an id; and the highest now."""
    kept = []
    for record in records:
        id = next((value for name, value in record.headers if name == "id"), b"")
        if not id.isdigit():
            kept.append(record)
        elif int(id) > highest:
            highest = int(id)
            kept.append(record)
    return kept, highest


def _positions(batches: Sequence[Batch]) -> dict[str, tuple[int, int]]:
    """Batches of one partition follow one another."""
    positions: dict[str, tuple[int, int]] = {}
    for batch in batches:
        name = f"{batch.tp.topic}:{batch.tp.partition}"
        positions[name] = positions[name][0] if name in positions else batch.start, batch.next
    return positions


def _seen_mark(tp: TP) -> str:
    return f"seen:{tp.topic}:{tp.partition}"


def _with_id(message: Message, id: int) -> Message:
    return message._replace(headers=(("id", b"%d" % id), *message.headers))
