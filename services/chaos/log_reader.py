"""Reads whole topics, and goes on from there when asked again."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from services.runtime.kafka import KafkaConnection, new_consumer


class LogReader:
    """Keeps every record it has read, by topic, each partition's in order."""

    def __init__(self, bootstrap: str) -> None:
        self._connection = KafkaConnection(bootstrap)
        self._read: dict[str, list[ConsumerRecord]] = defaultdict(list)
        self._next: dict[TopicPartition, int] = {}

    def records(self, topic: str) -> Sequence[ConsumerRecord]:
        """Everything up to the end that the topic has now."""
        asyncio.run(self._go_on(topic))
        return self._read[topic]

    def ends(self, topics: Sequence[str]) -> dict[tuple[str, int], int]:
        """The next offset of every partition."""
        return asyncio.run(self._ends(topics))

    async def _ends(self, topics: Sequence[str]) -> dict[tuple[str, int], int]:
        consumer = await self._started()
        try:
            found = await consumer.end_offsets([tp for topic in topics for tp in await _partitions(consumer, topic)])
            return {(tp.topic, tp.partition): end for tp, end in found.items()}
        finally:
            await consumer.stop()

    async def _go_on(self, topic: str) -> None:
        consumer = await self._started()
        try:
            tps = await _partitions(consumer, topic)
            ends = await consumer.end_offsets(tps)
            consumer.assign(tps)
            for tp in tps:
                consumer.seek(tp, self._next.get(tp, 0))
            while [tp for tp, end in ends.items() if await consumer.position(tp) < end]:
                for tp, records in (await consumer.getmany(timeout_ms=200, max_records=20_000)).items():
                    self._read[topic] += records
                    self._next[tp] = records[-1].offset + 1
        finally:
            await consumer.stop()

    async def _started(self) -> AIOKafkaConsumer:
        consumer = new_consumer(self._connection)
        await consumer.start()
        return consumer


async def _partitions(consumer: AIOKafkaConsumer, topic: str) -> list[TopicPartition]:
    consumer._client.add_topic(topic)
    await consumer._client.force_metadata_update()
    return [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]
