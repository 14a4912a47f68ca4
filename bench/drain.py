"""How fast each stage works off what waits for it: events a second, and what that costs every process."""

import asyncio
import time
from collections.abc import Iterable

from aiokafka import TopicPartition

from bench.result import Work
from bench.stack import WHILE_MEASURING, Stack, wait_for
from bench.usage import Watch
from services.runtime.kafka import KafkaConnection, new_consumer, new_producer
from services.runtime.partitions import murmur2


def fill(stack: Stack, topic: str, messages: Iterable[tuple[bytes, bytes]]) -> None:
    """Writes messages (key, value) to the topic, each to the partition of its key."""
    asyncio.run(_fill(KafkaConnection(stack.bootstrap), topic, messages))


async def _fill(connection: KafkaConnection, topic: str, messages: Iterable[tuple[bytes, bytes]]) -> None:
    producer = new_producer(connection)
    await producer.start()
    count = len(await producer.partitions_for(topic))
    batches, sent = [producer.create_batch() for _ in range(count)], []
    for key, value in messages:
        place, now = murmur2(key) % count, int(time.time() * 1000)
        if batches[place].append(key=key, value=value, timestamp=now) is None:
            sent.append(await producer.send_batch(batches[place], topic, partition=place))
            batches[place] = producer.create_batch()
            batches[place].append(key=key, value=value, timestamp=now)
    sent += [await producer.send_batch(batch, topic, partition=place) for place, batch in enumerate(batches)]
    await asyncio.gather(*sent)
    await producer.stop()


def messages_in(stack: Stack, *topics: str) -> int:
    """How many messages the topics hold (none is ever deleted from those that are not compacted)."""
    return asyncio.run(_messages_in(KafkaConnection(stack.bootstrap), topics))


async def _messages_in(connection: KafkaConnection, topics: tuple[str, ...]) -> int:
    consumer = new_consumer(connection, *topics)
    await consumer.start()
    try:
        places = [TopicPartition(topic, number) for topic in topics for number in consumer.partitions_for_topic(topic) or ()]
        return sum((await consumer.end_offsets(places)).values())
    finally:
        await consumer.stop()


def drain(stack: Stack, name: str, events: int) -> Work:
    """Starts the stage, lets it take in ``events`` messages and publish what follows, and leaves it running.

    The clock runs from the first messages that it has worked off, or written, so that starting and joining its group are not in it.
    Processor time counts from when the stage answers, for all messages: some are worked on before any of them is told of as done.
    """
    service, rows = stack.start(name), stack.rows_inserted()

    def has_begun() -> bool:
        return service.metric("rapport_messages_total") > 0 or stack.rows_inserted() > rows

    with Watch({name: service.process, **stack.backends}) as watch:
        wait_for(has_begun, f"{name} to begin")
        began, first, rows = time.perf_counter(), service.metric("rapport_messages_total"), stack.rows_inserted()
        wait_for(lambda: service.metric("rapport_messages_total") >= events, f"{name} to take in {events} messages", every=WHILE_MEASURING)
        wait_for(lambda: service.metric("rapport_unpublished_events") == 0, f"{name} to publish", every=WHILE_MEASURING)
        took, counted = time.perf_counter() - began, round(events - first)
        if counted <= 0:
            raise ValueError(f"{name} took in all {events} messages at once: measure with more of them")
        inserted = stack.rows_inserted() - rows
        return Work(name, counted, took, watch.spent(events), f"{inserted / took:,.0f} rows a second" if inserted else "")
