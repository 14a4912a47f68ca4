"""How fast each stage works off what waits for it: events a second, and processor microseconds an event."""

import asyncio
import time
from dataclasses import dataclass

from bench.stack import Stack, wait_for
from bench.traffic import touchpoints
from services.runtime.kafka import KafkaConnection, new_consumer, new_producer
from services.runtime.partitions import murmur2


@dataclass(frozen=True)
class Drained:
    """One stage's figures. ``cpu_us`` is of the stage's own process."""

    stage: str
    events: int
    seconds: float
    cpu_us: float
    resident_mb: int

    @property
    def per_second(self) -> int:
        return round(self.events / self.seconds)

    @property
    def per_core(self) -> int:
        return round(1e6 / self.cpu_us)


def fill(stack: Stack, customers: int, events: int) -> None:
    """Writes that many touchpoints to the log."""
    asyncio.run(_fill(KafkaConnection(stack.bootstrap), customers, events))


async def _fill(connection: KafkaConnection, customers: int, events: int) -> None:
    producer = new_producer(connection)
    await producer.start()
    count = len(await producer.partitions_for("touchpoints"))
    batches, sent = [producer.create_batch() for _ in range(count)], []
    for key, value in touchpoints(customers, events):
        place, now = murmur2(key) % count, int(time.time() * 1000)
        if batches[place].append(key=key, value=value, timestamp=now) is None:
            sent.append(await producer.send_batch(batches[place], "touchpoints", partition=place))
            batches[place] = producer.create_batch()
            batches[place].append(key=key, value=value, timestamp=now)
    sent += [await producer.send_batch(batch, "touchpoints", partition=place) for place, batch in enumerate(batches)]
    await asyncio.gather(*sent)
    await producer.stop()


def messages_in(stack: Stack, *topics: str) -> int:
    """How many messages the topics hold (none is ever deleted from those that are not compacted)."""
    return asyncio.run(_messages_in(KafkaConnection(stack.bootstrap), topics))


async def _messages_in(connection: KafkaConnection, topics: tuple[str, ...]) -> int:
    consumer = new_consumer(connection, *topics)
    await consumer.start()
    try:
        ends = await consumer.end_offsets(sorted(consumer.assignment() or await _partitions(consumer, topics)))
        return sum(ends.values())
    finally:
        await consumer.stop()


async def _partitions(consumer: object, topics: tuple[str, ...]) -> set[object]:
    from aiokafka import TopicPartition

    return {TopicPartition(topic, number) for topic in topics for number in consumer.partitions_for_topic(topic)}  # type: ignore[attr-defined]


def drain(stack: Stack, name: str, events: int) -> Drained:
    """Starts the stage, lets it take in ``events`` messages and publish what follows, and leaves it running.

    The clock runs from the first message taken in, so that starting the interpreter is not in it.
    """
    service = stack.start(name)
    wait_for(lambda: service.metric("rapport_messages_total") > 0, f"{name} to begin")
    began, cpu, first = time.perf_counter(), service.cpu(), service.metric("rapport_messages_total")
    wait_for(lambda: service.metric("rapport_messages_total") >= events, f"{name} to take in {events} messages")
    wait_for(lambda: service.metric("rapport_unpublished_events") == 0, f"{name} to publish")
    took, spent = time.perf_counter() - began, service.cpu() - cpu
    counted = round(events - first)
    return Drained(name, counted, took, spent / counted * 1e6, service.process.memory_info().rss >> 20)
