"""Waits until one live stage has taken what another said, so that both can be compared as of one moment."""

import asyncio
import time
from collections.abc import Callable

from services.projections.migrating import store_of
from services.proof.progress import Progress
from services.runtime.batches import TP
from services.runtime.kafka import KafkaConnection
from services.runtime.log_reader import ends_now
from services.runtime.settings import Settings
from services.runtime.store_snapshot import StoreSnapshot, open_snapshot
from services.runtime.warehouse import Warehouse

LOOK_SECONDS = 0.25


class NotCaughtUp(Exception):
    """Raised where a stage does not get as far as it must to be compared: it is stopped, or far behind."""


async def caught_up(look: Callable[[], int], what: str, within: float, progress: Progress) -> None:
    """``look``: how much is still missing; 0: nothing. Raises NotCaughtUp where it does not shrink for so many seconds."""
    least = missing = look()
    deadline = time.monotonic() + within
    while missing:
        progress(f"waiting for {what}", 0, 0)
        if time.monotonic() > deadline:
            raise NotCaughtUp(f"{what}: still {missing:,} behind, and no nearer for {within:g} s; `rapport status` shows why")
        await asyncio.sleep(LOOK_SECONDS)
        missing = look()
        if missing < least:
            least, deadline = missing, time.monotonic() + within


def unpublished(settings: Settings, stage: str, last_id: int) -> int:
    """How much of what the stage decided up to that id may not be on Kafka yet, its snapshots included."""
    with open_snapshot(settings, stage) as store:
        return max(0, last_id - min(store.watermark("published"), store.watermark("snapshots")))


def untaken(settings: Settings, stage: str, ends: dict[TP, int]) -> int:
    """How many messages before those ends the stage has not taken."""
    with open_snapshot(settings, stage) as store:
        positions = store.positions()
    return sum(max(0, end - positions.get(f"{tp.topic}:{tp.partition}", 0)) for tp, end in ends.items())


def unprojected(warehouse: Warehouse, database: str, ends: dict[TP, int]) -> int:
    """How many messages before those ends are not in ClickHouse."""
    query = f"SELECT topic, partition, max(next) FROM {store_of(database)}.positions GROUP BY topic, partition"
    positions = {(topic, partition): next for topic, partition, next in warehouse.select(query)}
    return sum(max(0, end - positions.get((tp.topic, tp.partition), 0)) for tp, end in ends.items())


async def on_kafka(settings: Settings, stage: str, store: StoreSnapshot, within: float, progress: Progress) -> None:
    """Until everything that the snapshot holds is published."""
    last_id = store.last_id()
    await caught_up(lambda: unpublished(settings, stage, last_id), f"{stage} to publish", within, progress)


async def taken(settings: Settings, stage: str, kafka: KafkaConnection, topics: list[str], within: float, progress: Progress) -> None:
    """Until the stage has taken what is on these topics now."""
    ends = await ends_now(kafka, topics)
    await caught_up(lambda: untaken(settings, stage, ends), f"{stage} to take what was published", within, progress)


async def projected(
    warehouse: Warehouse, database: str, kafka: KafkaConnection, topics: list[str], within: float, progress: Progress
) -> None:
    """Until ClickHouse has what is on these topics now."""
    ends = await ends_now(kafka, topics)
    await caught_up(lambda: unprojected(warehouse, database, ends), "projections to write it to ClickHouse", within, progress)
