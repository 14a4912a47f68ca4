"""Ingest refuses before a disk of Kafka is full, and takes requests again once there is room."""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from aiokafka.errors import KafkaConnectionError

from services.ingest.log_room import LogFull, LogRoom
from services.runtime.kafka import KafkaConnection, new_producer
from services.runtime.log_disk import RoomUnknown, free_bytes
from services.runtime.metrics import INGEST
from tests.ingest.requests import purchase
from tests.ingest.running_ingest import answers, eventually, running_ingest

DOOR = "/v1/touchpoints"
NEVER_ENOUGH = str(10**18)


def test_a_real_kafka_says_how_much_room_its_disk_has(kafka: str, tmp_path: Path) -> None:
    async def asked() -> int:
        producer = new_producer(KafkaConnection(kafka))
        await producer.start()
        try:
            return await free_bytes(producer.client)
        finally:
            await producer.stop()

    # Kafka's directory and this test's are on one disk; what else is written meanwhile is small beside it
    assert asyncio.run(asked()) == pytest.approx(shutil.disk_usage(tmp_path).free, rel=0.2)


def test_with_too_little_room_requests_are_answered_503_with_the_time_to_come_again(kafka: str, tmp_path: Path) -> None:
    with running_ingest(tmp_path, kafka, min_log_disk_bytes=NEVER_ENOUGH) as service:
        eventually(lambda: "log_full" in service.client.get("/readyz").text, "ingest did not see that there is no room")
        # when
        told = service.client.post(DOOR, json=purchase("no-room"))
        # then
        assert (told.status_code, told.json()["code"], told.headers["Retry-After"]) == (503, "log_full", "15")
        assert answers(service.client, "/healthz") == 200
        ready = service.client.get("/readyz")
        assert (ready.status_code, ready.headers["Retry-After"]) == (503, "15")
        assert "RAPPORT_INGEST_MIN_LOG_DISK_BYTES asks for 1,000,000,000,000,000,000" in ready.json()["message"]
        shown = service.client.get("/metrics").text
        assert 'rapport_ingest_requests_refused_total{code="log_full"} 1.0' in shown
        assert "give it more room" in service.log.read_text()


class Asked:
    """Answers with what it was last told."""

    def __init__(self) -> None:
        self.answer: int | Exception = 0

    async def __call__(self) -> int:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def looked() -> Callable[[int | Exception], bool]:
    """Whether requests are taken after Kafka has answered so."""
    asked = Asked()
    room = LogRoom(asked, 1_000)

    def look(answer: int | Exception) -> bool:
        asked.answer = answer
        asyncio.run(room.look())
        try:
            room.check()
        except LogFull:
            return False
        return True

    return look


def test_requests_are_taken_again_once_there_is_room(looked: Callable[[int | Exception], bool]) -> None:
    assert [looked(free) for free in (1_000, 999, 0, 1_000)] == [True, False, False, True]
    assert INGEST.get_sample_value("rapport_ingest_log_free_bytes") == 1_000


def test_while_kafka_does_not_answer_what_it_said_last_counts(looked: Callable[[int | Exception], bool]) -> None:
    assert [looked(999), looked(KafkaConnectionError("closed")), looked(TimeoutError())] == [False, False, False]
    assert [looked(1_000), looked(KafkaConnectionError("closed"))] == [True, True]


def test_where_kafka_does_not_tell_nothing_is_refused_and_the_log_says_so_once(
    looked: Callable[[int | Exception], bool], caplog: pytest.LogCaptureFixture
) -> None:
    untold = RoomUnknown("Kafka does not say how much room its disks have")
    assert [looked(999), looked(untold), looked(untold)] == [False, True, True]
    assert [line.getMessage() for line in caplog.records if "not be seen coming" in line.getMessage()] == [
        "a full disk of Kafka will not be seen coming: Kafka does not say how much room its disks have; "
        "RAPPORT_INGEST_MIN_LOG_DISK_BYTES=0 ends this"
    ]
