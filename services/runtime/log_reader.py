"""Reads Kafka from one offset to another, without a group and without leaving a trace: for proofs and for rebuilding."""

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from types import TracebackType
from typing import Protocol, Self

from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from services.runtime.batches import TP
from services.runtime.kafka import KafkaConnection, new_consumer
from services.runtime.stage import Record

WAIT_MS = 500
LONGEST_FETCH_MS = 20
"""How long a fetch may wait for more. It is waited for even where other partitions are to be read from then on."""
STALL_SECONDS = 60.0
Fetched = Mapping[TP, Sequence[Record]]


class TopicMissing(Exception):
    """Raised by ``LogReader.ends``: Kafka has no such topic."""


class LogStalled(KafkaError):  # type: ignore[misc]  # aiokafka has no types
    """Raised by ``LogReader.read``: Kafka gives nothing more, though the partitions should go further."""


class Log(Protocol):
    """What can be read of Kafka from offset to offset. See LogReader."""

    async def ends(self, topics: Collection[str]) -> dict[TP, int]: ...

    def read(self, starts: Mapping[TP, int], ends: Mapping[TP, int], most: int = 8_000) -> AsyncIterator[Fetched]: ...


class LogReader:
    """One consumer, read by one task. Connection errors come as aiokafka raises them. ``patience``: seconds for which nothing may come."""

    def __init__(self, connection: KafkaConnection, patience: float = STALL_SECONDS) -> None:
        self._patience = patience
        self._consumer = new_consumer(
            connection, max_partition_fetch_bytes=4 << 20, fetch_max_bytes=32 << 20, fetch_max_wait_ms=LONGEST_FETCH_MS
        )

    async def __aenter__(self) -> Self:
        try:
            await self._consumer.start()
        except BaseException:
            await self._consumer.stop()
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            await self._consumer.stop()
        except asyncio.CancelledError:  # of a task of its own that had not begun; aiokafka lets it through
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise

    async def ends(self, topics: Collection[str]) -> dict[TP, int]:
        """The offset after the last message of each partition. Raises TopicMissing."""
        partitions: list[TopicPartition] = []
        await self._consumer._client.force_metadata_update()
        for topic in topics:
            found = self._consumer.partitions_for_topic(topic) or await self._asked(topic)
            partitions += [TopicPartition(topic, number) for number in sorted(found)]
        offsets = await self._consumer.end_offsets(partitions)
        return {TP(*tp): offset for tp, offset in offsets.items()}

    async def _asked(self, topic: str) -> set[int]:
        if topic not in await self._consumer.topics():
            raise TopicMissing(f"Kafka has no topic {topic}: run `rapport migrate topics`")
        self._consumer._client.add_topic(topic)  # after reading others it keeps in mind only those
        await self._consumer._client.force_metadata_update()
        return self._consumer.partitions_for_topic(topic) or set()

    async def at(self, partitions: Collection[TP], timestamp_ms: int) -> dict[TP, int]:
        """The first offset of each partition whose message is not older; partitions without one are left out."""
        found = await self._consumer.offsets_for_times({TopicPartition(*tp): timestamp_ms for tp in partitions})
        return {TP(*tp): place.offset for tp, place in found.items() if place is not None}

    async def read(self, starts: Mapping[TP, int], ends: Mapping[TP, int], most: int = 8_000) -> AsyncIterator[Fetched]:
        """Every record with start <= offset < end, each partition's in order; at most so many at a time. Waits for what is not there
        yet. Raises LogStalled where nothing came for too long."""
        open_ = {TopicPartition(*tp): end for tp, end in ends.items() if starts.get(tp, 0) < end}
        if not open_:
            return
        self._consumer.assign(list(open_))
        for tp in open_:
            self._consumer.seek(tp, starts.get(TP(*tp), 0))
        came = time.monotonic()
        while open_:
            fetched = await self._consumer.getmany(*open_, timeout_ms=WAIT_MS, max_records=most)
            if not fetched and time.monotonic() - came > self._patience:
                raise LogStalled(await self._what_is_missing(open_))
            kept = {TP(*tp): [record for record in records if record.offset < open_[tp]] for tp, records in fetched.items()}
            if any(kept.values()):
                yield kept
            for tp in [tp for tp, end in open_.items() if await self._consumer.position(tp) >= end]:
                del open_[tp]
            if fetched:
                came = time.monotonic()

    async def _what_is_missing(self, open_: Mapping[TopicPartition, int]) -> str:
        missing = [f"{tp.topic}:{tp.partition} from {await self._consumer.position(tp)} to {end}" for tp, end in sorted(open_.items())]
        return f"Kafka gave nothing for {self._patience:g} s of what is to be read: {', '.join(missing)}"


async def ends_now(connection: KafkaConnection, topics: Collection[str]) -> dict[TP, int]:
    """As ``LogReader.ends``. For whoever has long work to do between two looks: a consumer must not be left alone meanwhile."""
    async with LogReader(connection) as log:
        return await log.ends(topics)
