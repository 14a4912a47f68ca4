"""What tests send, and what they read back from Kafka."""

import asyncio
from collections.abc import Callable
from typing import Any

from aiokafka import TopicPartition
from aiokafka.structs import ConsumerRecord

from services.ingest.message_key import keys_by
from services.runtime.kafka import KafkaConnection, new_consumer

ARRIVED = "2026-02-01T12:00:00.000000Z"
KEY_OF = keys_by(["customer_id", "loyalty_card", "email", "phone", "handle", "device", "anonymous_id"])


def purchase(event_id: str = "till-1", **others: Any) -> dict[str, Any]:
    """A whole touchpoint."""
    return {
        "event_id": event_id,
        "type": "purchase",
        "occurred_at": "2026-01-31T12:00:00Z",
        "source": "shop-berlin",
        "identifiers": [{"type": "email", "value": "ada@example.com"}],
        "payload": {"order_id": "B-1", "total_minor": 900, "currency": "EUR"},
        **others,
    }


def without(fields: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name not in names}


def records_where(bootstrap: str, topic: str, wanted: Callable[[ConsumerRecord], bool]) -> list[ConsumerRecord]:
    """Every record of the topic, from its beginning to its end now, that is wanted."""

    async def read() -> list[ConsumerRecord]:
        consumer = new_consumer(KafkaConnection(bootstrap))
        await consumer.start()
        try:
            await consumer._client._wait_on_metadata(topic)
            partitions = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or ()]
            consumer.assign(partitions)
            await consumer.seek_to_beginning(*partitions)
            ends = await consumer.end_offsets(partitions)
            found: list[ConsumerRecord] = []
            for partition in partitions:
                while await consumer.position(partition) < ends[partition]:
                    for batch in (await consumer.getmany(timeout_ms=200)).values():
                        found += [record for record in batch if wanted(record)]
            return found
        finally:
            await consumer.stop()

    return asyncio.run(read())
