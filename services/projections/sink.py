"""Batches of messages into ClickHouse, exactly: rows first, then how far the topics have been read.

Whatever happens in between, the same messages are read again and give rows with the same keys, of which every view shows
one. So neither a lost answer, nor a crash, nor a second worker on the same partition changes a number.

An insert costs ClickHouse some 8 ms however few its rows, and merges follow. So what comes is kept for a moment: touchpoints for a
tenth of a second, what fills the other ten tables for a second, and for longer while ClickHouse is slow. The positions go with the
latter. A crash loses nothing by that: what was kept is read again. The other ten are written one after the other, and touchpoints that
come meanwhile are taken in and written in between: they do not wait for the rest of a second before. While ClickHouse takes rows, those
of the next messages are made.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from services.projections.batch_rows import Outcomes
from services.projections.kept_rows import KeptRows
from services.projections.migrating import TablesGone, store_of, tables_gone
from services.projections.rhythm import AT_ONCE, Beat, Rhythm
from services.projections.table import Row, Table
from services.projections.tables import touchpoints
from services.projections.writer import filled, write_positions, write_table
from services.runtime import metrics
from services.runtime.batches import TP, Batch
from services.runtime.event_store import StoreLost
from services.runtime.failpoints import failpoint
from services.runtime.stage import Record
from services.runtime.tracing import BatchSpans, Tracer
from services.runtime.warehouse import TABLES_GONE, Warehouse, WarehouseAway, WarehouseRefused

STAGE = "projections"
SHOWN_HEADERS = ("id", "type", "sequence")
LOOK_SECONDS = 0.01
"""How often is looked, while something is written, whether messages wait."""
log = logging.getLogger(__name__)
T = TypeVar("T")


class UnderWay(NamedTuple):
    """A batch that is not written whole: when it was taken, by ``perf_counter``, and its spans."""

    started: float
    spans: BatchSpans | None


@dataclass(slots=True)
class Closed:
    """What is being written whole. ``rows``: of the tables that are left; ``reached``: the positions that it leads to."""

    beat: Beat
    rows: deque[tuple[Table, Sequence[Row]]]
    outcomes: Outcomes
    reached: Sequence[Batch]
    under_way: Sequence[UnderWay]


@dataclass(slots=True)
class Write:
    """One insert: rows of a table, or the positions of what is ``closed``. ``ends_beat``: it is the beat's last, or only one."""

    beat: Beat
    ends_beat: bool
    table: Table | None = None
    rows: Sequence[Row] = ()
    closed: Closed | None = None


class WarehouseSink:
    """A ``runtime.stream`` Sink. All of ClickHouse is talked to from one thread of its own, so the loop never waits. What is kept, and
    what is written next, is decided in the loop.

    The rhythms say how often they are written, ``keep_messages`` how many messages are kept at most. Without them all
    is written at once.
    """

    def __init__(
        self,
        warehouse: Warehouse,
        database: str,
        tracer: Tracer | None = None,
        touchpoint_rhythm: Rhythm = AT_ONCE,
        rest_rhythm: Rhythm = AT_ONCE,
        keep_messages: int = 50_000,
    ) -> None:
        self._warehouse, self._database, self._store, self._tracer = warehouse, database, store_of(database), tracer
        self._kept, self._touchpoints, self._rest, self._keep_messages = KeptRows[Batch](), touchpoint_rhythm, rest_rhythm, keep_messages
        self._tables = ""
        """The id of the positions' table, once it was seen."""
        self._closed: Closed | None = None
        self._write: Write | None = None
        """What is being written, or failed and is tried again before anything else."""
        self._writing: asyncio.Task[None] | None = None
        self._under_way: list[UnderWay] = []
        self.give_way: Callable[[], bool] = lambda: False
        """Whether messages wait to be taken in: then nobody waits until all that is due is written."""
        self._thread = ThreadPoolExecutor(1, "warehouse")

    async def positions(self, tps: Iterable[TP]) -> Mapping[TP, int]:
        """Writes what is kept first: only what is not will be read again. Raises as ``apply`` does."""
        await self._write_what_is_due(everything=True)
        wanted = set(tps)
        found = await self._or_lost(self._stored_positions)
        return {tp: next for tp, next in found.items() if tp in wanted}

    async def apply(self, batches: Sequence[Batch]) -> None:
        """Raises WarehouseAway or WarehouseRefused: nothing is lost, call it again; StoreLost where tables are gone, or
        others: with the positions, the process makes them at its start, and reads everything again; without, only a rebuild does."""
        spans = self._tracer.batch("insert", _records(batches)) if self._tracer else None
        self._take(batches, UnderWay(time.perf_counter(), spans))
        await self._write_what_is_due()
        if log.isEnabledFor(logging.DEBUG):
            _tell(batches)

    async def tick(self) -> None:
        """Writes what was kept for long enough. Raises as ``apply`` does."""
        if self._kept.messages or self._closed or self._write:
            await self._write_what_is_due()

    def close(self) -> None:
        """Waits for a running call, and writes what is kept where ClickHouse takes it; else it is read again."""
        try:
            self._thread.submit(self._write_all).result()
        except (WarehouseAway, WarehouseRefused, StoreLost) as error:
            log.warning("left before all was written, it will be read again: %s", error)
        self._thread.shutdown()
        self._warehouse.close()

    def _take(self, batches: Sequence[Batch], under_way: UnderWay) -> None:
        """What an attempt took that failed later is not taken again."""
        if new := [batch for batch in batches if not self._kept.has(batch)]:
            self._kept.add(new)
            self._under_way.append(under_way)

    # ---- writing

    async def _write_what_is_due(self, everything: bool = False) -> None:
        """Where messages wait and there is room, it returns before all is written, and leaves the next insert under way."""
        while True:
            if self._writing is None:
                write = self._next_write(everything)
                if write is None:
                    return
                self._writing = asyncio.create_task(self._written(write))
                self._writing.add_done_callback(lambda done: done.cancelled() or done.exception())  # seen, so not logged
            if not everything and self._kept.messages < self._keep_messages and self.give_way():
                return
            writing = self._writing
            await asyncio.wait({writing}, timeout=LOOK_SECONDS)
            if writing.done():
                writing.result()

    def _next_write(self, everything: bool) -> Write | None:
        """One that failed comes again. ``everything``: whether it is due or not."""
        if self._write is None:
            self._write = self._touchpoints_write() or self._rest_write(everything)
        return self._write

    def _touchpoints_write(self) -> Write | None:
        if self._touchpoints.is_due() and (rows := self._kept.take_touchpoints()):
            return Write(self._touchpoints.beat(), True, touchpoints.TABLE, rows)
        return None

    def _rest_write(self, everything: bool) -> Write | None:
        """The next table of what is being written whole, or its positions."""
        is_due = everything or self._rest.is_due() or self._kept.messages >= self._keep_messages
        if self._closed is None and self._kept.messages and is_due:
            self._close_kept()
        if self._closed is None:
            return None
        if self._closed.rows:
            return Write(self._closed.beat, False, *self._closed.rows.popleft())
        return Write(self._closed.beat, True, closed=self._closed)

    def _close_kept(self) -> None:
        """What was taken in until now is to be written whole; what comes from now on is kept apart."""
        rest = self._kept.rest()
        self._closed = Closed(self._rest.beat(), deque(filled(rest.rows)), rest.outcomes, self._kept.reached(), self._under_way)
        self._kept, self._under_way = self._kept.next(), []

    async def _written(self, write: Write) -> None:
        try:
            await self._or_lost(lambda: self._insert(write))
            self._done(write)
        finally:
            self._writing = None

    def _done(self, write: Write) -> None:
        if self._write is not write:
            return  # written once more, by whoever left
        self._write = None
        if write.ends_beat:
            write.beat.end()
        if write.closed:
            self._closed = None
            _count(write.closed)

    async def _or_lost(self, call: Callable[[], T]) -> T:
        """Raises StoreLost where tables are gone."""
        try:
            return await self._in_thread(call)
        except WarehouseRefused as refused:
            if refused.code in TABLES_GONE:
                raise StoreLost(await self._in_thread(self._what_is_gone)) from refused
            raise

    def _what_is_gone(self) -> str:
        if gone := tables_gone(self._warehouse, self._database):
            return str(TablesGone(gone))
        return "ClickHouse's tables are gone with the positions: they are made and filled again from the log at the next start"

    async def _in_thread(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    # ---- in the thread

    def _insert(self, write: Write) -> None:
        with write.beat.part():
            if write.table:
                write_table(self._warehouse, self._store, write.table, write.rows)
            if write.closed:
                failpoint("after_insert")
                self._require_same_tables()
                write_positions(self._warehouse, self._store, write.closed.reached)
        if write.closed:
            failpoint("after_positions")
        elif write.table is touchpoints.TABLE:
            failpoint("after_touchpoints")

    def _write_all(self) -> None:
        """For whoever leaves: the loop stands still meanwhile."""
        while write := self._next_write(everything=True):
            self._insert(write)
            self._done(write)

    def _require_same_tables(self) -> None:
        """Raises StoreLost where another process made the positions' table anew, so that what was read before must be read again:
        positions of ours would say that it need not."""
        query = "SELECT toString(uuid) FROM system.tables WHERE database = %(store)s AND name = 'positions'"
        for (uuid,) in self._warehouse.select(query, {"store": self._store}):
            if self._tables not in ("", uuid):
                raise StoreLost("ClickHouse's tables were made anew by another process: they are filled from the log at the next start")
            self._tables = uuid

    def _stored_positions(self) -> dict[TP, int]:
        self._require_same_tables()
        query = f"SELECT topic, partition, max(next) FROM {self._store}.positions GROUP BY topic, partition"
        return {TP(topic, partition): next for topic, partition, next in self._warehouse.select(query)}


def _count(closed: Closed) -> None:
    """Its messages and batches, now that it is written."""
    for (outcome, reason), count in closed.outcomes.items():
        metrics.MESSAGES.labels(STAGE, outcome, reason).inc(count)
    now = time.perf_counter()
    for started, spans in closed.under_way:
        metrics.BATCH_SECONDS.labels(STAGE).observe(now - started)
        if spans:
            spans.end()


def _tell(batches: Sequence[Batch]) -> None:
    """Keys are ids of customers and accounts, or of what is in quarantine."""
    for record in _records(batches):
        said = {name: value.decode("ascii", "replace") for name, value in record.headers if name in SHOWN_HEADERS}
        key = (record.key or b"").decode("ascii", "replace")
        log.debug(
            "inserted", extra={"customer_id": key, "partition": f"{record.topic}:{record.partition}", "offset": record.offset, **said}
        )


def _records(batches: Sequence[Batch]) -> Iterator[Record]:
    return (record for batch in batches for record in batch.records)
