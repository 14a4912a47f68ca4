"""Fills a database with the projections' tables from what is on Kafka, in several processes, from wherever they got to before.

The rows, the inserts and the positions are the projections stage's own; only who reads is another: nobody's group, up to a given end,
in batches several times as large.
"""

import asyncio
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from services.projections.batch_rows import rows_of_batch
from services.projections.migrating import store_of
from services.projections.writer import write, write_positions
from services.proof.progress import Progress
from services.runtime.batches import TP, Batch
from services.runtime.log_reader import LogReader
from services.runtime.settings import Settings
from services.runtime.stage import Record
from services.runtime.stage_process import kafka_connection
from services.runtime.warehouse import Warehouse

MESSAGES_AN_INSERT = 40_000
LOOK_SECONDS = 0.5
Offsets = Mapping[TP, int]


async def project(settings: Settings, database: str, starts: Offsets, ends: Offsets, workers: int, progress: Progress) -> int:
    """Returns how many messages were between starts and ends. Raises what Kafka or ClickHouse raised; then call it again."""
    total = sum(max(0, end - starts.get(tp, 0)) for tp, end in ends.items())
    shares = _shares(starts, ends, workers)
    if total <= MESSAGES_AN_INSERT:
        shares = [dict(ends)]
        await _project_share(settings, database, dict(starts), dict(ends), os.getppid())
    elif shares:
        await _in_processes(settings, database, starts, shares, total, progress)
    progress("projections: filling the new tables", total, total)
    return total


def positions(warehouse: Warehouse, database: str) -> dict[TP, int]:
    """How far those tables have come."""
    query = f"SELECT topic, partition, max(next) FROM {store_of(database)}.positions GROUP BY topic, partition"
    return {TP(topic, partition): next for topic, partition, next in warehouse.select(query)}


async def _in_processes(
    settings: Settings, database: str, starts: Offsets, shares: Sequence[dict[TP, int]], total: int, progress: Progress
) -> None:
    warehouse = Warehouse(settings.clickhouse.address)
    with ProcessPoolExecutor(len(shares), mp_context=get_context("spawn")) as pool:
        work = [pool.submit(_run, settings, database, dict(starts), share, os.getpid()) for share in shares]
        everything = asyncio.gather(*map(asyncio.wrap_future, work))
        while not (await asyncio.wait([everything], timeout=LOOK_SECONDS))[0]:
            reached = positions(warehouse, database)
            ends = {tp: end for share in shares for tp, end in share.items()}
            done = sum(min(end, reached.get(tp, 0)) - starts.get(tp, 0) for tp, end in ends.items() if tp in reached)
            progress("projections: filling the new tables", max(0, done), total)
        warehouse.close()
        await everything


def _shares(starts: Offsets, ends: Offsets, workers: int) -> list[dict[TP, int]]:
    """About as many messages for each, whole partitions."""
    shares: list[dict[TP, int]] = [{} for _ in range(workers)]
    sizes = [0] * workers
    for tp, end in sorted(ends.items(), key=lambda one: starts.get(one[0], 0) - one[1]):
        if end > starts.get(tp, 0):
            least = sizes.index(min(sizes))
            shares[least][tp] = end
            sizes[least] += end - starts.get(tp, 0)
    return [share for share in shares if share]


def _run(settings: Settings, database: str, starts: Offsets, ends: Offsets, parent: int) -> None:
    asyncio.run(_project_share(settings, database, starts, ends, parent))


async def _project_share(settings: Settings, database: str, starts: Offsets, ends: Offsets, parent: int) -> None:
    warehouse = Warehouse(settings.clickhouse.address, answer_seconds=600.0)
    reached = dict(starts)
    waiting: dict[TP, list[Record]] = {}
    async with LogReader(kafka_connection(settings.kafka)) as log:
        async for fetched in log.read(starts, ends):
            if os.getppid() == 1 != parent:
                return  # whoever started this was killed: its successor goes on from the stored positions
            for tp, records in fetched.items():
                waiting.setdefault(tp, []).extend(records)
            if sum(map(len, waiting.values())) >= MESSAGES_AN_INSERT:
                _insert(warehouse, database, waiting, reached)
    _insert(warehouse, database, waiting, reached)
    warehouse.close()


def _insert(warehouse: Warehouse, database: str, waiting: dict[TP, list[Record]], reached: dict[TP, int]) -> None:
    batches = [Batch(tp, reached.get(tp, 0), records[-1].offset + 1, records, 0, 0) for tp, records in waiting.items() if records]
    if batches:
        write(warehouse, store_of(database), rows_of_batch(record for batch in batches for record in batch.records).rows)
        write_positions(warehouse, store_of(database), batches)
        reached |= {batch.tp: batch.next for batch in batches}
    waiting.clear()
