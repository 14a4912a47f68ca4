"""The projections stage as a process, between a real Kafka and a real ClickHouse."""

import asyncio
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from schemas.topics import TOPICS
from services.embedded.clickhouse import running_clickhouse
from services.embedded.kafka import running_kafka
from services.embedded.processes import free_port
from services.runtime.kafka import KafkaConnection, TopicSpec, ensure_topics, new_producer
from services.runtime.warehouse import Warehouse, WarehouseAway, WarehouseRefused
from tests.projections import shop
from tests.projections.published import Said

MESSAGES = shop.published()
TOUCHPOINTS = sum(1 for message in MESSAGES if dict(message.headers).get("type") == b"touchpoint_applied")
PATIENCE = 60.0


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_kafka(tmp_path_factory.mktemp("kafka")) as bootstrap:
        yield bootstrap


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"not within {PATIENCE:.0f} s: {what}"
        time.sleep(0.05)


async def send(bootstrap: str, messages: Sequence[Said]) -> None:
    connection = KafkaConnection(bootstrap)
    await ensure_topics(connection, [TopicSpec(topic.name, topic.partitions) for topic in TOPICS])
    producer = new_producer(connection)
    await producer.start()
    for message in messages:
        await producer.send(message.topic, message.value, message.key, headers=list(message.headers))
    await producer.stop()


@contextmanager
def projections(bootstrap: str, port: int, metrics_port: int) -> Iterator[subprocess.Popen[bytes]]:
    environment = os.environ | {
        "RAPPORT_KAFKA_BOOTSTRAP": bootstrap,
        "RAPPORT_CLICKHOUSE_PORT": str(port),
        "RAPPORT_STAGE_METRICS_PORT": str(metrics_port),
        "RAPPORT_DATA_DIR": "/nonexistent",
    }
    process = subprocess.Popen([sys.executable, "-m", "services.projections.app"], env=environment, cwd=Path(__file__).parents[2])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def counted(warehouse: Warehouse, what: str) -> int:
    """-1 while nobody answers, or the table is not there yet."""
    try:
        return int(warehouse.select(f"SELECT count() FROM rapport.{what}")[0][0])
    except (WarehouseAway, WarehouseRefused):
        return -1


def metrics(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        return str(answer.read().decode())


def test_what_is_published_is_in_clickhouse_once_through_restarts_rubbish_and_an_outage(kafka: str, tmp_path: Path) -> None:
    half = len(MESSAGES) // 2
    asyncio.run(send(kafka, MESSAGES[:half]))
    tcp, http, scrape = free_port(), free_port(), free_port()
    warehouse = Warehouse(f"clickhouse://default@127.0.0.1:{tcp}", pauses=())

    # when: the stage starts before ClickHouse is there, and is killed once something has arrived
    with projections(kafka, tcp, scrape) as first, running_clickhouse(tmp_path, tcp, http):
        until(lambda: counted(warehouse, "touchpoints") > 0, "the first touchpoints")
        first.kill()
    # and: it starts again, is sent rubbish and everything again, and ClickHouse goes away for a moment
    with projections(kafka, tcp, scrape) as second:
        with running_clickhouse(tmp_path, tcp, http):
            until(lambda: counted(warehouse, "positions") != 0, "an answer")
        asyncio.run(send(kafka, [Said("profile-events", b"k", b"rubbish", (("id", b"1"), ("type", b"touchpoint_applied"))), *MESSAGES]))
        with running_clickhouse(tmp_path, tcp, http):
            until(lambda: counted(warehouse, "touchpoints") == TOUCHPOINTS, "all touchpoints")
            until(lambda: counted(warehouse, "quarantine WHERE stage = 'projections'") == 1, "the rubbish in quarantine")
            until(lambda: counted(warehouse, "loyalty_ledger") == 4, "the ledger")
            until(
                lambda: 'rapport_lag_messages{partition="0",stage="projections",topic="profile-events"} 0.0' in metrics(scrape), "its lag"
            )

            # then
            assert warehouse.select("SELECT count() = uniqExact(event_id) FROM rapport.touchpoints") == [(1,)]
            assert warehouse.select("SELECT original FROM rapport.quarantine WHERE stage = 'projections'") == [("rubbish",)]
            assert 'rapport_messages_total{outcome="quarantined",reason="unreadable_message",stage="projections"} 1.0' in metrics(scrape)
            started = time.monotonic()
            second.send_signal(signal.SIGTERM)
            assert second.wait(timeout=15) == 0
            assert time.monotonic() - started < 10
