"""Batches of messages into ClickHouse, exactly: rows first, then how far the topics have been read.

Whatever happens in between, the same messages are read again and give rows with the same keys, of which every view shows
one. So neither a lost answer, nor a crash, nor a second worker on the same partition changes a number.

An insert costs ClickHouse some 8 ms however few its rows, and merges follow. So what comes is kept for a moment: touchpoints for a
tenth of a second, what fills the other ten tables for a second, and for longer while ClickHouse is slow. The positions go with the
latter. A crash loses nothing by that: what was kept is read again.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from services.projections.batch_rows import Outcomes
from services.projections.kept_rows import KeptRows
from services.projections.migrating import TablesGone, store_of, tables_gone
from services.projections.rhythm import AT_ONCE, Rhythm
from services.projections.tables import touchpoints
from services.projections.writer import write, write_positions
from services.runtime import metrics
from services.runtime.batches import TP, Batch
from services.runtime.event_store import StoreLost
from services.runtime.failpoints import failpoint
from services.runtime.stage import Record
from services.runtime.tracing import BatchSpans, Tracer
from services.runtime.warehouse import TABLES_GONE, Warehouse, WarehouseAway, WarehouseRefused

STAGE = "projections"
SHOWN_HEADERS = ("id", "type", "sequence")
log = logging.getLogger(__name__)
T = TypeVar("T")


class WarehouseSink:
    """A ``runtime.stream`` Sink. All of ClickHouse is talked to from one thread of its own, so the loop never waits.

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
        self._under_way: list[tuple[float, BatchSpans | None]] = []
        """Of the batches that are not written whole: when each was taken, and its spans."""
        self._thread = ThreadPoolExecutor(1, "warehouse")

    async def positions(self, tps: Iterable[TP]) -> Mapping[TP, int]:
        """Writes what is kept first: only what is not will be read again. Raises as ``apply`` does."""
        self._are_done(await self._or_lost(self._write_all))
        wanted = set(tps)
        found = await self._or_lost(self._stored_positions)
        return {tp: next for tp, next in found.items() if tp in wanted}

    async def apply(self, batches: Sequence[Batch]) -> None:
        """Raises WarehouseAway or WarehouseRefused: nothing is lost, call it again; StoreLost where tables are gone, or
        others: with the positions, the process makes them at its start, and reads everything again; without, only a rebuild does."""
        spans = self._tracer.batch("insert", _records(batches)) if self._tracer else None
        started = time.perf_counter()
        outcomes = await self._or_lost(lambda: self._apply(batches))
        self._under_way.append((started, spans))
        self._are_done(outcomes)
        if log.isEnabledFor(logging.DEBUG):
            _tell(batches)

    async def tick(self) -> None:
        """Writes what was kept for long enough. Raises as ``apply`` does."""
        if self._kept.messages:
            self._are_done(await self._or_lost(self._write_what_is_due))

    def close(self) -> None:
        """Waits for a running call, and writes what is kept where ClickHouse takes it; else it is read again."""
        try:
            self._are_done(self._thread.submit(self._write_all).result())
        except (WarehouseAway, WarehouseRefused, StoreLost) as error:
            log.warning("left before all was written, it will be read again: %s", error)
        self._thread.shutdown()
        self._warehouse.close()

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

    def _are_done(self, outcomes: Outcomes) -> None:
        """Counts messages and, where nothing is kept any more, the batches they came in."""
        for (outcome, reason), count in outcomes.items():
            metrics.MESSAGES.labels(STAGE, outcome, reason).inc(count)
        if self._kept.messages:
            return
        now, under_way, self._under_way = time.perf_counter(), self._under_way, []
        for started, spans in under_way:
            metrics.BATCH_SECONDS.labels(STAGE).observe(now - started)
            if spans:
                spans.end()

    async def _in_thread(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    def _apply(self, batches: Sequence[Batch]) -> Outcomes:
        """What an attempt took that failed later is not taken again."""
        self._kept.add([batch for batch in batches if not self._kept.has(batch)])
        return self._write_what_is_due()

    def _write_what_is_due(self) -> Outcomes:
        if self._rest.is_due() or self._kept.messages >= self._keep_messages:
            return self._write_all()
        if self._touchpoints.is_due():
            self._write_touchpoints()
        return Outcomes()

    def _write_touchpoints(self) -> None:
        if rows := self._kept.touchpoints():
            with self._touchpoints.beat():
                write(self._warehouse, self._store, {touchpoints.TABLE: rows})
            failpoint("after_touchpoints")
            self._kept.touchpoints_are_written()

    def _write_all(self) -> Outcomes:
        """What became of all messages that were kept."""
        self._write_touchpoints()
        if not self._kept.messages:
            return Outcomes()
        with self._rest.beat():
            rows, reached = self._kept.rest(), self._kept.reached()
            write(self._warehouse, self._store, rows.rows)
            failpoint("after_insert")
            self._require_same_tables()
            write_positions(self._warehouse, self._store, reached)
            failpoint("after_positions")
        self._kept = KeptRows[Batch]()
        return rows.outcomes

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
