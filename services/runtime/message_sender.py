"""Sends keyed messages to Kafka in order, many at once, and returns when all are acknowledged."""

import asyncio
import contextlib
import time
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from aiokafka import AIOKafkaProducer

from services.runtime.failpoints import failpoint
from services.runtime.kafka import KafkaConnection, new_producer
from services.runtime.partitions import murmur2

STOP_SECONDS = 2.0
KEYS_REMEMBERED = 200_000
Partition = tuple[str, int]
Headers = list[tuple[str, bytes]]
key_hash = lru_cache(maxsize=KEYS_REMEMBERED)(murmur2)


class MessageSender:
    """One at a time. After an exception nobody knows what arrived: call `drop` and send all of it again."""

    def __init__(self, connection: KafkaConnection, **producer: Any) -> None:
        self._connection, self._settings = connection, producer
        self._producer: AIOKafkaProducer | None = None
        self.partitions: dict[str, int] = {}
        """How many each prepared topic has."""

    async def prepare(self, topics: Iterable[str]) -> None:
        """Connects, and learns the topics' partitions."""
        if self._producer is None:
            self._producer = new_producer(self._connection, **self._settings)
            await self._producer.start()
        for topic in topics:
            if topic not in self.partitions:
                self.partitions[topic] = len(await self._producer.partitions_for(topic))

    async def send(self, messages: Iterable[tuple[Partition, bytes, bytes | None, Headers]]) -> dict[str, int]:
        """How many went to each topic."""
        assert self._producer is not None
        full: dict[Partition, list[Any]] = {}
        new, now = self._producer.create_batch, int(time.time() * 1000)
        for partition, key, value, headers in messages:
            batches = full.get(partition)
            if batches is None:
                batches = full[partition] = [new()]
            if batches[-1].append(key=key, value=value, timestamp=now, headers=headers) is None:
                batches.append(new())
                batches[-1].append(key=key, value=value, timestamp=now, headers=headers)
        async with asyncio.TaskGroup() as sending:
            for partition, batches in full.items():
                sending.create_task(self._send_in_turn(partition, batches))
        failpoint("after_produce")
        counts: dict[str, int] = {}
        for (topic, _), batches in full.items():
            counts[topic] = counts.get(topic, 0) + sum(batch.record_count() for batch in batches)
        return counts

    async def _send_in_turn(self, partition: Partition, batches: Sequence[Any]) -> None:
        """One after the other: were a later one to arrive without the earlier, consumers would drop the earlier as seen."""
        assert self._producer is not None
        topic, number = partition
        for batch in batches:
            await (await self._producer.send_batch(batch, topic, partition=number))

    async def drop(self) -> None:
        """After some errors an idempotent producer cannot go on: the next `prepare` makes a new one."""
        producer, self._producer = self._producer, None
        self.partitions.clear()
        if producer is None:
            return
        with contextlib.suppress(Exception):  # it failed already; nothing of it is counted on
            async with asyncio.timeout(STOP_SECONDS):
                await producer.stop()
                return
        with contextlib.suppress(Exception):
            await producer._sender.close()  # or it would go on trying
            await producer.client.close()
