"""What a reader of committed records sees of a topic, while somebody writes to it."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from aiokafka import AIOKafkaConsumer, TopicPartition

from bench.usage import Watch
from services.runtime.kafka import KafkaConnection, new_consumer

LOOK_EVERY_S = 0.02


class Stalled(Exception):
    """Nothing more became visible for too long, or the process ended: it cannot be measured."""


@dataclass
class Seen:
    """``visible``: offsets that a reader sees, markers of transactions included, since ``at`` (``perf_counter``); ``cpu``: every
    process's seconds at that moment; ``moments``: when more became visible."""

    visible: int = 0
    at: float = 0.0
    cpu: dict[str, float] = field(default_factory=dict)
    moments: list[float] = field(default_factory=list)

    @property
    def every_ms(self) -> int:
        """How far apart the moments are, in the mean."""
        apart = len(self.moments) - 1
        return round((self.moments[-1] - self.moments[0]) / apart * 1000) if apart > 0 else 0


Finished = Callable[[Seen], bool]


async def follow(
    connection: KafkaConnection, topic: str, watch: Watch, alive: Callable[[], bool], finished: Finished, limit_s: float
) -> Seen:
    """Looks until ``finished``. Stalled where the writer ended, or nothing became visible for ``limit_s``."""
    consumer = new_consumer(connection, topic)
    await consumer.start()
    try:
        places = _places(consumer, topic)
        start, seen = time.perf_counter(), Seen()
        while True:
            visible = sum((await consumer.end_offsets(places)).values())
            if visible != seen.visible:
                seen.visible, seen.at, seen.cpu = visible, time.perf_counter(), watch.cpu_seconds()
                seen.moments.append(seen.at)
            if finished(seen):
                return seen
            if not alive():
                raise Stalled("it ended by itself")
            if time.perf_counter() - max(seen.at, start) > limit_s:
                raise Stalled(f"nothing more to see for {limit_s:g} s after {seen.visible:,} messages")
            await asyncio.sleep(LOOK_EVERY_S)
    finally:
        await consumer.stop()


async def read_all(connection: KafkaConnection, topic: str) -> list[tuple[bytes, bytes]]:
    """All committed records there are (key, value), in order by partition."""
    consumer = new_consumer(connection, topic)
    await consumer.start()
    try:
        places = _places(consumer, topic)
        ends = await consumer.end_offsets(places)
        found: list[tuple[bytes, bytes]] = []
        while any([await consumer.position(place) < ends[place] for place in places]):
            for records in (await consumer.getmany(timeout_ms=500, max_records=50_000)).values():
                found += [(record.key, record.value) for record in records]
        return found
    finally:
        await consumer.stop()


def _places(consumer: AIOKafkaConsumer, topic: str) -> list[TopicPartition]:
    return [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or ()]
