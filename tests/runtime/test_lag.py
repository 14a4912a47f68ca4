"""How far a stage is behind can be seen, above all while it is stuck."""

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import REGISTRY, Counter, Gauge, Histogram

from services.runtime import metrics
from services.runtime.batches import TP
from services.runtime.lag import ShownLag
from tests.runtime.counting_flow import CountingFlow, wait_until

PART_0, PART_1 = TP("orders", 0), TP("orders", 1)


@pytest.fixture
def flow(kafka: str, tmp_path: Path) -> Iterator[CountingFlow]:
    flow = CountingFlow(kafka, str(tmp_path / "counting.sqlite"))
    yield flow
    flow.close()


def shown(name: str, stage: str, tp: TP) -> float | None:
    return REGISTRY.get_sample_value(name, {"stage": stage, "topic": tp.topic, "partition": str(tp.partition)})


def test_each_partition_shows_its_messages_and_its_oldest_ones_age_and_the_stage_the_greatest() -> None:
    # when
    ShownLag("pair").show({PART_0: 7, PART_1: 0}, {PART_0: 990_000}, now=1_000.0)
    # then
    assert (shown("rapport_lag_messages", "pair", PART_0), shown("rapport_lag_seconds", "pair", PART_0)) == (7.0, 10.0)
    assert (shown("rapport_lag_messages", "pair", PART_1), shown("rapport_lag_seconds", "pair", PART_1)) == (0.0, 0.0)
    assert REGISTRY.get_sample_value("rapport_oldest_message_seconds", {"stage": "pair"}) == 10.0


def test_a_partition_that_moved_to_another_process_is_no_longer_shown() -> None:
    # given
    lag = ShownLag("moved")
    lag.show({PART_0: 7, PART_1: 1}, {PART_0: 1}, now=1_000.0)
    # when
    lag.show({PART_1: 0}, {}, now=1_001.0)
    # then
    assert shown("rapport_lag_messages", "moved", PART_0) is None
    assert shown("rapport_lag_seconds", "moved", PART_0) is None
    assert shown("rapport_lag_seconds", "moved", PART_1) == 0.0
    assert REGISTRY.get_sample_value("rapport_oldest_message_seconds", {"stage": "moved"}) == 0.0


def test_a_clock_behind_kafkas_makes_no_negative_age() -> None:
    ShownLag("early").show({PART_0: 1}, {PART_0: 2_000}, now=1.0)
    assert shown("rapport_lag_seconds", "early", PART_0) == 0.0


def test_the_oldest_messages_age_grows_while_the_store_takes_nothing_and_falls_when_it_does(flow: CountingFlow) -> None:
    # given
    worker = flow.worker()
    flow.send(100)
    flow.wait_for_published(100)
    # when
    other = sqlite3.connect(flow.store, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    flow.send(100)
    stuck_since = time.time()
    # then
    wait_until(lambda: worker.metrics()[OLDEST] > 3)
    now = worker.metrics()
    assert now[OLDEST] <= time.time() - stuck_since + 2
    assert max(value for name, value in now.items() if name.startswith("rapport_lag_seconds{")) == now[OLDEST]
    # when
    other.execute("ROLLBACK")
    flow.wait_for_published(200)
    # then
    wait_until(lambda: worker.metrics()[OLDEST] == 0)
    assert not any(value for name, value in worker.metrics().items() if name.startswith("rapport_lag_messages{"))
    assert worker.metrics()['rapport_healthy{stage="counting"}'] == 1
    other.close()


def test_a_running_stage_shows_every_metric_declared_for_all_stages(flow: CountingFlow) -> None:
    # given
    worker = flow.worker()
    flow.send(100)
    flow.wait_for_published(100)
    of_others = {metrics.COMMANDS, *metrics.INGEST._collector_to_names}
    every = [metric for metric in vars(metrics).values() if isinstance(metric, Counter | Gauge | Histogram)]
    declared = [metric for metric in every if metric not in of_others]

    def missing() -> list[str]:
        shown = {line.split("{")[0] for line in worker.metrics()}
        return [metric._name for metric in declared if not shown & {metric._name, f"{metric._name}_total", f"{metric._name}_count"}]

    # then
    wait_until(lambda: not missing())
    now = worker.metrics()
    for part in ("producer", "reading"):
        assert now[f'rapport_restarts_total{{part="{part}",stage="counting"}}'] == 0
    for result in ("waited", "failed", "stale"):
        assert now[f'rapport_batches_total{{result="{result}",stage="counting"}}'] == 0
    assert now['rapport_messages_total{outcome="applied",reason="",stage="counting"}'] == 100
    assert now[f'rapport_events_published_total{{stage="counting",topic="{flow.events}"}}'] == 100


OLDEST = 'rapport_oldest_message_seconds{stage="counting"}'
