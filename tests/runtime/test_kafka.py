"""Topics and clients made from settings."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest
import uvloop
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.metadata import MetadataRequest

from services.runtime.kafka import KafkaConnection, TopicMismatch, TopicSpec, ensure_topics, new_consumer, new_producer


def test_topics_are_created_as_specified_once_and_left_alone_afterwards(kafka: str) -> None:
    # given
    connection, name = KafkaConnection(kafka), f"t-{uuid4().hex}"
    spec = TopicSpec(name, 3, config={"cleanup.policy": "compact"})
    # when
    created = [asyncio.run(ensure_topics(connection, [spec])) for _ in range(2)]
    # then
    assert created == [[name], []]
    partitions, policy = asyncio.run(describe(connection, name))
    assert (partitions, policy) == (3, "compact")


def test_two_processes_may_create_the_same_topics_at_once(kafka: str) -> None:
    connection, specs = KafkaConnection(kafka), [TopicSpec(f"t-{uuid4().hex}", 2) for _ in range(3)]

    async def both() -> list[list[str]]:
        return list(await asyncio.gather(ensure_topics(connection, specs), ensure_topics(connection, specs)))

    first, second = asyncio.run(both())
    assert sorted(first + second) == sorted(spec.name for spec in specs)


def test_a_topic_with_too_few_partitions_is_a_matter_for_a_person(kafka: str) -> None:
    connection, name = KafkaConnection(kafka), f"t-{uuid4().hex}"
    asyncio.run(ensure_topics(connection, [TopicSpec(name, 1)]))
    with pytest.raises(TopicMismatch, match=name):
        asyncio.run(ensure_topics(connection, [TopicSpec(name, 2)]))


def test_a_password_is_not_shown() -> None:
    connection = KafkaConnection("a:1", "SASL_SSL", "SCRAM-SHA-256", "user", "secret")
    assert "secret" not in repr(connection)
    settings = connection.client_settings()
    assert settings["sasl_plain_password"] == "secret"
    assert settings["ssl_context"].check_hostname is True
    assert connection.faust_settings()["broker_credentials"].mechanism.value == "SCRAM-SHA-256"


def test_several_brokers_are_given_to_faust_one_by_one() -> None:
    assert KafkaConnection("a:1, b:2").faust_settings() == {"broker": "kafka://a:1;kafka://b:2", "broker_credentials": None}


def test_a_write_to_a_connection_that_just_broke_is_an_error_that_every_client_knows(kafka: str) -> None:
    async def write(client_of: Callable[[KafkaConnection], Any]) -> None:
        async with connected(client_of(KafkaConnection(kafka))) as (_, connection):
            connection._writer.transport.abort()
            await asyncio.sleep(0)  # now uvloop knows, and the task that reads does not yet
            with pytest.raises(KafkaConnectionError):  # not RuntimeError, which ends tasks that the client waits for
                await connection.send(MetadataRequest(None))
            assert not connection.connected()

    for client_of in (new_producer, new_consumer):
        uvloop.run(write(client_of))


def test_clients_go_on_where_the_request_for_metadata_itself_meets_a_connection_that_broke(kafka: str) -> None:
    def broken(_: bytes) -> None:
        raise RuntimeError("the handler is closed")

    async def asked_again(client_of: Callable[[KafkaConnection], Any]) -> bool:
        async with connected(client_of(KafkaConnection(kafka))) as (inner, connection):
            connection._writer.write = broken  # as uvloop says it
            await asyncio.wait_for(inner.force_metadata_update(), 30)
            return bool(await asyncio.wait_for(inner.force_metadata_update(), 30))

    for client_of in (new_producer, new_consumer):
        assert asyncio.run(asked_again(client_of))  # nobody waits for ever


@asynccontextmanager
async def connected(client: Any) -> AsyncIterator[tuple[Any, Any]]:
    """What a producer or a consumer asks brokers by, once it has started, and its connection to one of them."""
    await client.start()
    try:
        inner = client.client if hasattr(client, "client") else client._client
        yield inner, await inner._get_conn(inner.get_random_node())
    finally:
        await client.stop()


async def describe(connection: KafkaConnection, topic: str) -> tuple[int, str]:
    admin = AIOKafkaAdminClient(**connection.client_settings())
    await admin.start()
    try:
        (found,) = await admin.describe_topics([topic])
        (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
        settings = {entry[0]: entry[1] for entry in answer.resources[0][4]}
        return len(found["partitions"]), settings["cleanup.policy"]
    finally:
        await admin.close()
