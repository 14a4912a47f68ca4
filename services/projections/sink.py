"""Batches of messages into ClickHouse, exactly: rows first, then how far the topics have been read.

Whatever happens in between, the same messages are read again and give rows with the same keys, of which every view shows
one. So neither a lost answer, nor a crash, nor a second worker on the same partition changes a number.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from services.projections.batch_rows import BatchRows, rows_of_batch
from services.projections.migrating import store_of
from services.projections.writer import write, write_positions
from services.runtime import metrics
from services.runtime.batches import TP, Batch
from services.runtime.event_store import StoreLost
from services.runtime.failpoints import failpoint
from services.runtime.stage import Record
from services.runtime.tracing import Tracer
from services.runtime.warehouse import Warehouse, WarehouseRefused

STAGE = "projections"
TABLES_GONE = (60, 81)
"""ClickHouse's codes for an unknown table and an unknown database."""
SHOWN_HEADERS = ("id", "type", "sequence")
log = logging.getLogger(__name__)
T = TypeVar("T")


class WarehouseSink:
    """A ``runtime.stream`` Sink. All of ClickHouse is talked to from one thread of its own, so the loop never waits."""

    def __init__(self, warehouse: Warehouse, database: str, tracer: Tracer | None = None) -> None:
        self._warehouse, self._store, self._tracer = warehouse, store_of(database), tracer
        self._thread = ThreadPoolExecutor(1, "warehouse")

    async def positions(self, tps: Iterable[TP]) -> Mapping[TP, int]:
        wanted = set(tps)
        found = await self._in_thread(self._stored_positions)
        return {tp: next for tp, next in found.items() if tp in wanted}

    async def apply(self, batches: Sequence[Batch]) -> None:
        """Raises WarehouseAway or WarehouseRefused: nothing is lost, call it again; StoreLost where the tables are gone, with the positions
        in them: the process makes them at its start, and reads everything again."""
        started = time.perf_counter()
        spans = self._tracer.batch("insert", _records(batches)) if self._tracer else None
        try:
            applied = await self._in_thread(lambda: self._apply(batches))
        except WarehouseRefused as refused:
            if refused.code in TABLES_GONE:
                raise StoreLost(
                    f"ClickHouse's tables are gone, they are filled again from the log at the next start: {refused}"
                ) from refused
            raise
        if spans:
            spans.end()
        if log.isEnabledFor(logging.DEBUG):
            _tell(batches)
        metrics.BATCH_SECONDS.labels(STAGE).observe(time.perf_counter() - started)
        for (outcome, reason), count in applied.outcomes.items():
            metrics.MESSAGES.labels(STAGE, outcome, reason).inc(count)

    def close(self) -> None:
        """Waits for a running call."""
        self._thread.shutdown()
        self._warehouse.close()

    async def _in_thread(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    def _apply(self, batches: Sequence[Batch]) -> BatchRows:
        applied = rows_of_batch(_records(batches))
        write(self._warehouse, self._store, applied.rows)
        failpoint("after_insert")
        write_positions(self._warehouse, self._store, batches)
        failpoint("after_positions")
        return applied

    def _stored_positions(self) -> dict[TP, int]:
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
