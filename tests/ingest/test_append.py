"""Writing to the log: acknowledged or refused, whatever happens to the producer."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiokafka import TopicPartition

from services.ingest.admission import Admitted
from services.ingest.append import Appender
from services.ingest.lane import LogRefused
from services.ingest.log_connection import LogAway, LogConnection
from services.ingest.log_room import LogRoom
from services.runtime.kafka import KafkaConnection, TopicSpec, ensure_topics, new_producer
from services.runtime.log_disk import free_bytes
from tests.ingest.requests import records_where


def messages(*values: bytes, key: bytes = b"k") -> list[Admitted]:
    return [Admitted(key, value) for value in values]


def with_appender(kafka: str, topic: str, act: Callable[[Appender, list[Any]], Awaitable[None]], **topic_settings: str) -> None:
    """``act`` gets a connected appender, and the producers that were made for it so far."""

    async def run() -> None:
        await ensure_topics(KafkaConnection(kafka), [TopicSpec(topic, 2, 1, topic_settings)])
        made: list[Any] = []

        def producer() -> Any:
            made.append(new_producer(KafkaConnection(kafka), max_batch_size=900_000, request_timeout_ms=5_000))
            return made[-1]

        log = LogConnection(producer, (topic,))
        appender = Appender(log, LogRoom(lambda: log.ask(free_bytes), 0))
        appender.start()
        try:
            async with asyncio.timeout(20):
                while appender.problem:
                    await asyncio.sleep(0.01)
                await act(appender, made)
        finally:
            await appender.close()

    asyncio.run(run())


@pytest.fixture
def topic() -> str:
    return f"log-{uuid.uuid4().hex}"


def values_in(kafka: str, topic: str) -> list[bytes]:
    return [record.value for record in records_where(kafka, topic, lambda record: True)]


def test_waiting_requests_are_joined_and_each_returns_when_all_of_its_messages_are_acknowledged(kafka: str, topic: str) -> None:
    async def act(appender: Appender, made: list[Any]) -> None:
        batches = [[message for key in (b"a", b"b", b"c") for message in messages(b"%d" % number, key=key)] for number in range(300)]
        await asyncio.gather(*(appender.append({topic: batch}, 1_000, [("traceparent", b"t")]) for batch in batches))

    with_appender(kafka, topic, act)
    records = records_where(kafka, topic, lambda record: True)
    assert len(records) == 900
    assert {(record.timestamp, record.headers) for record in records} == {(1_000, (("traceparent", b"t"),))}
    of_one_key = [int(record.value) for record in records if record.key == b"a"]
    assert of_one_key == sorted(of_one_key)


def test_a_request_larger_than_a_batch_is_split_and_whole_in_the_log(kafka: str, topic: str) -> None:
    async def act(appender: Appender, made: list[Any]) -> None:
        await appender.append({topic: messages(*(b"%04d" % number + b"x" * 200_000 for number in range(20)))}, 1)

    with_appender(kafka, topic, act)
    assert [int(value[:4]) for value in values_in(kafka, topic)] == list(range(20))


def test_after_a_fatal_error_the_producer_is_made_anew_and_every_request_still_succeeds(kafka: str, topic: str) -> None:
    async def act(appender: Appender, made: list[Any]) -> None:
        await appender.append({topic: messages(b"first")}, 1)
        for partition in (0, 1):
            made[0]._txn_manager.increment_sequence_number(TopicPartition(topic, partition), 7)
        await asyncio.gather(*(appender.append({topic: messages(b"%d" % number, key=b"%d" % number)}, 1) for number in range(50)))
        assert len(made) >= 2
        assert appender.problem is None

    with_appender(kafka, topic, act)
    assert sorted(values_in(kafka, topic)) == sorted([b"first", *(b"%d" % number for number in range(50))])


def test_a_topic_that_takes_less_than_a_batch_gets_its_messages_one_by_one_and_refuses_only_what_is_too_large(
    kafka: str, topic: str
) -> None:
    async def act(appender: Appender, made: list[Any]) -> None:
        await appender.append({topic: messages(b"a" * 60_000, b"b" * 60_000, b"c" * 60_000)}, 1)
        with pytest.raises(LogRefused, match=topic):
            await appender.append({topic: messages(b"d" * 200_000)}, 1)
        await appender.append({topic: messages(b"e")}, 1)

    with_appender(kafka, topic, act, **{"max.message.bytes": "100000"})
    assert [value[:1] for value in values_in(kafka, topic)] == [b"a", b"b", b"c", b"e"]


def test_a_missing_topic_is_a_log_that_is_away_and_the_words_say_what_to_do(kafka: str) -> None:
    async def run() -> None:
        log = LogConnection(lambda: new_producer(KafkaConnection(kafka), request_timeout_ms=500), ("nobody-made-it",))
        appender = Appender(log, LogRoom(lambda: log.ask(free_bytes), 0))
        appender.start()
        async with asyncio.timeout(20):
            while "migrate" not in (appender.problem or ""):
                await asyncio.sleep(0.02)
        with pytest.raises(LogAway, match="migrate"):
            await appender.append({"nobody-made-it": messages(b"x")}, 1)
        await appender.close()

    asyncio.run(run())


def test_nothing_is_left_running_after_close(kafka: str, topic: str) -> None:
    left: list[str] = []

    async def act(appender: Appender, made: list[Any]) -> None:
        await appender.append({topic: messages(b"x")}, 1)
        await appender.close()
        left.extend(task.get_name() for task in asyncio.all_tasks() if task is not asyncio.current_task())

    with_appender(kafka, topic, act)
    assert left == []
