"""One Kafka and one ClickHouse for all these tests; every test has a database of its own."""

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from clickhouse_driver import Client

from services.embedded.clickhouse import ClickHouseAddress, running_clickhouse
from services.embedded.kafka import running_kafka

Connect = Callable[..., Client]


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_kafka(tmp_path_factory.mktemp("kafka")) as bootstrap:
        yield bootstrap


@pytest.fixture(scope="session")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseAddress]:
    with running_clickhouse(tmp_path_factory.mktemp("clickhouse")) as address:
        yield address


@pytest.fixture
def database(clickhouse: ClickHouseAddress) -> Iterator[str]:
    name = f"test_{uuid.uuid4().hex[:12]}"
    with Client(clickhouse.host, port=clickhouse.tcp_port) as client:
        client.execute(f"CREATE DATABASE {name}")
        yield name
        client.execute(f"DROP DATABASE {name}")


@pytest.fixture
def connect(clickhouse: ClickHouseAddress, database: str) -> Iterator[Connect]:
    """Opens a client in the test's database; options as clickhouse-driver's."""
    opened: list[Client] = []

    def open_client(**options: Any) -> Client:
        client = Client(clickhouse.host, port=clickhouse.tcp_port, **{"database": database, **options})
        opened.append(client)
        return client

    yield open_client
    for client in opened:
        client.disconnect()


@pytest.fixture
def client(connect: Connect) -> Client:
    return connect()
