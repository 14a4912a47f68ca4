"""What a channel is answered while Kafka is away, and that nothing which was answered 200 is lost."""

import asyncio
import json
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiokafka.errors import KafkaError

from services.embedded.processes import free_port
from services.ingest import append, log_connection
from services.ingest.admission import Admitted
from services.ingest.append import Appender
from services.ingest.log_connection import LogConnection
from services.ingest.log_room import LogRoom
from services.runtime.kafka import KafkaConnection, new_producer
from services.runtime.log_disk import free_bytes
from tests.ingest.conftest import make_topics
from tests.ingest.cutting_proxy import cutting_proxy
from tests.ingest.own_kafka import OwnKafka, own_kafka
from tests.ingest.requests import purchase, records_where
from tests.ingest.running_ingest import Ingest, answers, eventually, running_ingest

DOOR = "/v1/touchpoints"


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnKafka]:
    with own_kafka(tmp_path_factory.mktemp("own"), free_port()) as broker:
        broker.start()
        make_topics(broker.bootstrap)
        yield broker


@contextmanager
def ready_ingest(directory: Path, bootstrap: str, **settings: str) -> Iterator[Ingest]:
    with running_ingest(directory, bootstrap, **settings) as service:
        eventually(lambda: answers(service.client, "/readyz") == 200, "ingest did not become ready")
        yield service


def ids_in_log(bootstrap: str) -> list[str]:
    return [
        json.loads(record.value)["event_id"] for record in records_where(bootstrap, "touchpoints", lambda record: record.value != b"{}")
    ]


class Sending:
    """Sends one event after another from several threads; ``accepted`` holds the ids that were answered 200."""

    def __init__(self, ingest: Ingest, threads: int = 4) -> None:
        self.accepted: list[str] = []
        self.others: list[int] = []
        self._ingest, self._stop = ingest, threading.Event()
        self._threads = [threading.Thread(target=self._send) for _ in range(threads)]

    def __enter__(self) -> "Sending":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _send(self) -> None:
        headers = {"Authorization": f"Bearer {self._ingest.key}"}
        with httpx.Client(base_url=f"http://127.0.0.1:{self._ingest.port}", headers=headers, timeout=20) as client:
            while not self._stop.is_set():
                event_id = uuid.uuid4().hex
                person = [{"type": "customer_id", "value": event_id}]
                try:
                    status = client.post(DOOR, json=purchase(event_id, identifiers=person)).status_code
                except httpx.TransportError:
                    self._stop.wait(0.05)
                    continue
                (self.accepted if status == 200 else self.others).append(event_id if status == 200 else status)  # type: ignore[arg-type]


def test_ingest_starts_without_kafka_and_works_as_soon_as_it_comes(tmp_path: Path) -> None:
    with own_kafka(tmp_path / "kafka", free_port()) as broker, running_ingest(tmp_path, broker.bootstrap) as service:
        began = time.monotonic()
        answer = service.client.post(DOOR, json=purchase())
        assert time.monotonic() - began < 3
        assert (answer.status_code, answer.json()["code"], int(answer.headers["Retry-After"])) == (503, "log_away", 3)
        assert (answers(service.client, "/healthz"), answers(service.client, "/readyz")) == (200, 503)
        broker.start()
        make_topics(broker.bootstrap)
        eventually(lambda: answers(service.client, "/readyz") == 200, "ingest did not find Kafka")
        assert service.client.post(DOOR, json=purchase("found")).status_code == 200
        assert ids_in_log(broker.bootstrap) == ["found"]


def test_while_kafka_hangs_requests_are_refused_quickly_memory_stays_flat_and_then_all_is_well(own: OwnKafka, tmp_path: Path) -> None:
    with ready_ingest(tmp_path, own.bootstrap) as service:
        assert service.client.post(DOOR, json=purchase("before")).status_code == 200
        with own.paused():
            began = time.monotonic()
            first = service.client.post(DOOR, json=purchase("during"))
            assert (first.status_code, first.headers["Retry-After"]) == (503, "3")
            assert time.monotonic() - began < 8
            before = service.resident_megabytes()
            flood = [json.dumps([purchase(f"flood-{n}-{i}", context={"pad": "x" * 1000}) for i in range(200)]) for n in range(300)]
            statuses = [service.client.post(DOOR, content=body).status_code for body in flood]
            assert set(statuses) == {503}
            assert service.resident_megabytes() - before < 30
            assert answers(service.client, "/healthz") == 200
            assert answers(service.client, "/readyz") == 503
        eventually(lambda: service.client.post(DOOR, json=purchase("after")).status_code == 200, "ingest did not recover")
        assert service.log.read_text().count("does not acknowledge") == 1
        found = ids_in_log(own.bootstrap)
        assert {"before", "after"} <= set(found)
        assert len([event_id for event_id in found if event_id.startswith("flood")]) <= 4 * 900


def test_too_much_waiting_is_answered_429_with_the_time_to_come_back(own: OwnKafka, tmp_path: Path) -> None:
    body = json.dumps([purchase(uuid.uuid4().hex, context={"pad": "x" * 1000}) for _ in range(200)])
    with ready_ingest(tmp_path, own.bootstrap, max_pending_bytes="1000000") as service:

        async def at_once() -> list[httpx.Response]:
            limits = httpx.Limits(max_connections=20)
            async with httpx.AsyncClient(
                base_url=service.client.base_url, headers=service.client.headers, timeout=20, limits=limits
            ) as many:
                return await asyncio.gather(*(many.post(DOOR, content=body) for _ in range(12)))

        with own.paused():
            sent_at = time.time()
            refused = asyncio.run(at_once())
        assert {answer.status_code for answer in refused} == {429, 503}
        told = next(answer for answer in refused if answer.status_code == 429)
        assert (told.json()["code"], told.headers["Retry-After"]) == ("overloaded", "1")
        assert 0 <= int(told.headers["X-RateLimit-Reset"]) - sent_at <= 10
        eventually(lambda: service.client.post(DOOR, content=body).status_code == 200, "ingest did not recover")
        assert "rapport_ingest_pending_bytes 0.0" in service.client.get("/metrics").text


def test_a_producer_given_up_while_kafka_hangs_leaves_no_request_waiting_for_it(own: OwnKafka, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(append, "ACKNOWLEDGED_WITHIN", 60.0)
    monkeypatch.setattr(log_connection, "STOP_SECONDS", 0.1)

    async def run() -> int:
        made: list[Any] = []

        def producer() -> Any:
            made.append(new_producer(KafkaConnection(own.bootstrap), request_timeout_ms=2_000))
            return made[-1]

        log = LogConnection(producer, ("touchpoints",))
        appender = Appender(log, LogRoom(lambda: log.ask(free_bytes), 0))
        appender.start()
        async with asyncio.timeout(60):
            await until(lambda: appender.problem is None)
            with own.paused():
                written = [
                    asyncio.create_task(appender.append({"touchpoints": [Admitted(key, b"{}")]}, 1)) for key in (b"a", b"b", b"c", b"d")
                ]
                await until(lambda: len(made[0]._message_accumulator._pending_batches) >= 2)
                log.broken(made[0], KafkaError("as if its sequence were lost"))
                await until(lambda: not log._stopping)
            await asyncio.gather(*written)
        await appender.close()
        return len(made)

    assert asyncio.run(run()) >= 2


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.01)


def test_what_was_answered_200_survives_a_kill_of_kafka_under_load(own: OwnKafka, tmp_path: Path) -> None:
    with ready_ingest(tmp_path, own.bootstrap) as service, Sending(service) as sending:
        eventually(lambda: len(sending.accepted) >= 50, "nothing was accepted")
        own.kill()
        own.start()
        enough = len(sending.accepted) + 50
        eventually(lambda: len(sending.accepted) >= enough, "nothing was accepted after the kill")
    assert set(sending.others) <= {503}
    assert set(sending.accepted) <= set(ids_in_log(own.bootstrap))


def test_a_lost_acknowledgement_is_asked_for_again_and_the_event_is_in_the_log_once(tmp_path: Path) -> None:
    port, between = free_port(), free_port()
    with own_kafka(tmp_path / "kafka", port, between) as broker, cutting_proxy(between, port) as proxy:
        broker.start()
        make_topics(broker.bootstrap)
        with ready_ingest(tmp_path, broker.bootstrap) as service:
            assert service.client.post(DOOR, json=purchase("first")).status_code == 200
            for number in range(3):
                proxy.lose_next_answer()
                assert service.client.post(DOOR, json=purchase(f"lost-{number}")).status_code == 200
            assert proxy.lost == 3
        assert sorted(ids_in_log(broker.bootstrap)) == ["first", "lost-0", "lost-1", "lost-2"]


@pytest.mark.parametrize("kafka_hangs", [False, True])
def test_sigterm_under_load_ends_within_ten_seconds_and_loses_nothing(own: OwnKafka, tmp_path: Path, kafka_hangs: bool) -> None:
    def stop_within_ten_seconds(service: Ingest) -> None:
        began = time.monotonic()
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(20) == 0, service.log.read_text()
        assert time.monotonic() - began < 10

    with ready_ingest(tmp_path, own.bootstrap) as service, Sending(service) as sending:
        eventually(lambda: len(sending.accepted) > 50, "nothing was accepted")
        in_whatever_state(own, kafka_hangs, lambda: stop_within_ten_seconds(service))
    assert set(sending.accepted) <= set(ids_in_log(own.bootstrap))


def in_whatever_state(own: OwnKafka, hangs: bool, act: Callable[[], None]) -> None:
    if not hangs:
        act()
        return
    with own.paused():
        act()
