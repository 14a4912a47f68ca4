"""The embedded Kafka is a real broker: transactions, a new port, kill -9 and a second start."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from services.embedded.errors import DirectoryInUse
from services.embedded.kafka import running_kafka
from services.embedded.kafka_readiness import broker_answers
from services.embedded.processes import free_port, launch, stop, wait_until_ready


async def _create(bootstrap: str, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(topic, 1, 1)])
    await admin.close()


async def _produce(bootstrap: str, topic: str, values: list[bytes], transactional_id: str | None = None) -> None:
    async with AIOKafkaProducer(
        bootstrap_servers=bootstrap, enable_idempotence=True, acks="all", transactional_id=transactional_id
    ) as producer:
        if transactional_id:
            await producer.begin_transaction()
        for value in values:
            await producer.send_and_wait(topic, value)
        if transactional_id:
            await producer.commit_transaction()


async def _values(bootstrap: str, topic: str, count: int) -> list[bytes]:
    async with AIOKafkaConsumer(
        topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest", isolation_level="read_committed"
    ) as consumer:
        return [(await asyncio.wait_for(consumer.getone(), 10)).value for _ in range(count)]


def test_transactions_and_idempotent_producers_work(kafka: str) -> None:
    asyncio.run(_create(kafka, "transactions"))
    asyncio.run(_produce(kafka, "transactions", [b"idempotent"]))
    asyncio.run(_produce(kafka, "transactions", [b"in a", b"transaction"], "tx"))
    assert asyncio.run(_values(kafka, "transactions", 3)) == [b"idempotent", b"in a", b"transaction"]


def test_a_topic_is_never_made_by_a_misspelt_name(kafka: str) -> None:
    async def topics() -> list[str]:
        admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
        await admin.start()
        await admin.describe_topics(["mispelt"])
        found = await admin.list_topics()
        await admin.close()
        return list(found)

    assert "mispelt" not in asyncio.run(topics())


def test_what_was_acknowledged_survives_kill_9_and_another_port(tmp_path: Path) -> None:
    # given a broker run as the supervisor runs it
    port = free_port()
    command = [sys.executable, "-m", "services.embedded.kafka", "--data-dir", str(tmp_path), "--port", str(port)]
    process = launch(command, tmp_path / "out.log")
    wait_until_ready(process, lambda: broker_answers(port), "Kafka", tmp_path / "out.log")
    asyncio.run(_create(f"127.0.0.1:{port}", "kept"))
    asyncio.run(_produce(f"127.0.0.1:{port}", "kept", [b"one", b"two"]))
    # when a second one is started on its directory, it is refused, by the process that holds it
    second = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert second.returncode == 1
    assert f"process {process.pid}" in second.stderr
    with pytest.raises(DirectoryInUse, match=str(process.pid)), running_kafka(tmp_path):
        pass
    # when it is killed and started elsewhere
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    with running_kafka(tmp_path) as bootstrap:
        # then
        assert asyncio.run(_values(bootstrap, "kept", 2)) == [b"one", b"two"]


def test_stopping_waits_no_longer_than_its_limit() -> None:
    deaf = subprocess.Popen(
        [sys.executable, "-c", "import signal, time; signal.signal(15, signal.SIG_IGN); print(flush=True); time.sleep(60)"],
        stdout=subprocess.PIPE,
    )
    assert deaf.stdout
    deaf.stdout.readline()
    stop(deaf, limit_s=0.2)
    assert deaf.returncode == -signal.SIGKILL
