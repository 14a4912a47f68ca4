"""When ingest started, and how often its producer was made anew, can be seen."""

import asyncio
import time
from pathlib import Path

import httpx
from prometheus_client import REGISTRY

from services.ingest.app import appender_of
from services.runtime.settings import KafkaSettings, Settings


def test_a_running_ingest_shows_when_it_started_and_no_restart(http: httpx.Client) -> None:
    lines = http.get("/metrics").text.splitlines()
    started = next(line for line in lines if line.startswith('rapport_started_timestamp_seconds{stage="ingest"}'))
    assert time.time() - 3600 < float(started.split()[-1]) <= time.time()
    assert 'rapport_restarts_total{part="producer",stage="ingest"} 0.0' in lines


def test_a_producer_that_kafka_refuses_for_good_is_counted_when_it_is_made_anew(kafka: str, tmp_path: Path) -> None:
    def restarts() -> float:
        return REGISTRY.get_sample_value("rapport_restarts_total", {"stage": "ingest", "part": "producer"}) or 0.0

    async def lose_the_producer_twice() -> float:
        appender = appender_of(Settings(data_dir=tmp_path, kafka=KafkaSettings(bootstrap=kafka)))
        before = restarts()
        appender.start()
        first = await appender._log.producer()
        appender._log.broken(first, RuntimeError("fenced"))
        appender._log.broken(first, RuntimeError("fenced"))  # a second lane noticed it too
        assert await appender._log.producer() is not first
        await appender.close()
        return restarts() - before

    assert asyncio.run(lose_the_producer_twice()) == 1.0
