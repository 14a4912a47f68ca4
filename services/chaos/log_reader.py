"""Reads what is new on whole topics: from their beginning, and from there on when asked again."""

import asyncio
from collections.abc import Sequence

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from services.runtime.kafka import KafkaConnection, new_consumer

News = dict[str, list[ConsumerRecord]]


class LogReader:
    """Gives every record once, and keeps none: a log may be longer than memory."""

    def __init__(self, bootstrap: str) -> None:
        self._connection = KafkaConnection(bootstrap)
        self._next: dict[TopicPartition, int] = {}

    def news(self, topics: Sequence[str]) -> News:
        """By topic, each partition's in order: what came since it was asked last, up to the end that the topics have now."""
        return asyncio.run(self._go_on(topics))

    def ends(self, topics: Sequence[str]) -> dict[tuple[str, int], int]:
        """The next offset of every partition."""
        return asyncio.run(self._ends(topics))

    async def _ends(self, topics: Sequence[str]) -> dict[tuple[str, int], int]:
        consumer = await self._started()
        try:
            found = await consumer.end_offsets(await _partitions(consumer, topics))
            return {(tp.topic, tp.partition): end for tp, end in found.items()}
        finally:
            await consumer.stop()

    async def _go_on(self, topics: Sequence[str]) -> News:
        news: News = {topic: [] for topic in topics}
        consumer = await self._started()
        try:
            tps = await _partitions(consumer, topics)
            ends = await consumer.end_offsets(tps)
            consumer.assign(tps)
            for tp in tps:
                consumer.seek(tp, self._next.get(tp, 0))
            while [tp for tp, end in ends.items() if await consumer.position(tp) < end]:
                for tp, records in (await consumer.getmany(timeout_ms=200, max_records=20_000)).items():
                    news[tp.topic] += records
                    self._next[tp] = records[-1].offset + 1
        finally:
            await consumer.stop()
        return news

    async def _started(self) -> AIOKafkaConsumer:
        consumer = new_consumer(self._connection)
        await consumer.start()
        return consumer


async def _partitions(consumer: AIOKafkaConsumer, topics: Sequence[str]) -> list[TopicPartition]:
    consumer._client.set_topics(topics)
    await consumer._client.force_metadata_update()
    return [TopicPartition(topic, number) for topic in topics for number in sorted(consumer.partitions_for_topic(topic) or ())]
