"""What is below a stage stops and traffic does not: the stage waits, its memory stays flat, and afterwards nothing is missing."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from functools import partial

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from schemas.topics import LOYALTY_CHANGES, PROFILE_CHANGES, Topic
from services.chaos.memory import watched
from services.chaos.play import Play, Scenario
from services.chaos.scenarios.kafka import ROOM_MB
from services.chaos.stack import Stack
from services.runtime.kafka import KafkaConnection

A_TIME = 500
"""Touchpoints sent at once; more follow when those are answered, or refused for a second."""
REACHED_WITHIN = 180.0
BALLAST = 4_000_000_000
Condition = Callable[[], bool | str]


def ingest_above_kafka(it: Play) -> None:
    """Every request is answered 503 meanwhile."""
    refused = it.promised.statuses[503]
    reached = partial(_more_than, lambda: it.promised.statuses[503], refused + 20, "answers 503")
    _below_stopped(it, "ingest", partial(it.stack.kill_backend, "kafka"), it.stack.start_kafka, reached, "Kafka killed")


def stage_above_its_topic(it: Play, stage: str, topic: Topic) -> None:
    """The topic that it publishes to takes nothing; everything else of Kafka works. In full, until so much is decided and not published
    that the stage takes no more."""
    shown = 'rapport_batches_total{result="waited"' if it.full else 'rapport_restarts_total{part="producer"'
    before = measured(it.stack, stage, shown)
    reached = partial(_more_than, lambda: measured(it.stack, stage, shown), before, shown)
    stop, start = partial(_takes_nothing, it.stack, topic), partial(_takes_again, it.stack, topic)
    _below_stopped(it, stage, stop, start, reached, f"{topic.name} takes nothing")


def projections_above_clickhouse(it: Play) -> None:
    """Inserts fail and are tried again."""
    shown = 'rapport_batches_total{result="failed"'
    before = measured(it.stack, "projections", shown)
    reached = partial(_more_than, lambda: measured(it.stack, "projections", shown), before, shown)
    stop = partial(it.stack.kill_backend, "clickhouse")
    _below_stopped(it, "projections", stop, it.stack.start_clickhouse, reached, "ClickHouse killed")


def log_nearly_full(it: Play) -> None:
    """Something else fills the disk of Kafka: ingest refuses in time, and takes requests again once there is room."""
    first, second = it.parts(2)
    it.send(first)
    it.answered()
    disk = os.statvfs(it.stack.folder)
    free = disk.f_bavail * disk.f_frsize
    ballast = min(BALLAST, free // 2)
    it.stack.reconfigure("ingest", {"RAPPORT_INGEST_MIN_LOG_DISK_BYTES": str(free - ballast // 2)})
    it.stack.kill("ingest", signal.SIGTERM)
    it.answers_again("ingest")
    heavy = it.stack.folder / "ballast"
    with heavy.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, ballast)
    it.harm("the disk of Kafka nearly full")
    try:
        it.until(lambda: "log_full" in str(it.stack.answers("ingest")) or "not seen", "ingest to see it")
        promised, refused = len(it.promised.events), it.promised.statuses[503]
        it.send(second)
        it.until(lambda: it.promised.statuses[503] >= refused + 4 or "none yet", "503")
        it.must(len(it.promised.events) == promised, "ingest answered 200 while the disk was nearly full")
        it.must(it.promised.without_retry_after == 0, "ingest answered 503 without Retry-After")
    finally:
        heavy.unlink()
        it.harm("room again")
    it.answered()
    it.stack.reconfigure("ingest", {"RAPPORT_INGEST_MIN_LOG_DISK_BYTES": "0"})


def _below_stopped(it: Play, stage: str, stop: Callable[[], None], start: Callable[[], None], reached: Condition, what: str) -> None:
    it.send(it.requests)
    it.answered()
    with watched(it.stack) as memory:
        it.memory = memory
        it.pace(it.times(1, 5))
        stop()
        it.harm(what)
        it.until(lambda: _fed(it) and reached(), f"{stage} to wait", REACHED_WITHIN, every=0.1)
        first, until = memory.samples, time.monotonic() + it.times(5, 60)
        it.until(lambda: _fed(it) and (time.monotonic() > until or "more to see"), "the time to be over", it.times(5, 60) + 30.0, every=1.0)
        memory.window = first, memory.samples
        start()
        it.harm("back again")
        it.answered()
        it.quiet(within=it.times(60, 180))
    for name in (one for one in it.stack.services if one in memory.megabytes):
        grown = memory.growth(name)
        it.notes[f"growth of {name} meanwhile"] = f"{grown} MB"
        it.must(grown <= ROOM_MB, f"{name} grew by {grown} MB while {what}")


def _fed(it: Play) -> bool:
    """Keeps touchpoints coming, not more than are being answered."""
    it.keep_sending(A_TIME)
    return True


def _more_than(figure: Callable[[], float], least: float, what: str) -> bool | str:
    now = figure()
    return now > least or f"{what} {now:g}"


def measured(stack: Stack, slot: str, shown: str) -> float:
    """The sum of a process's metrics that begin so."""
    return sum(float(line.rpartition(" ")[2]) for line in stack.shows(slot).splitlines() if line.startswith(shown))


def _takes_nothing(stack: Stack, topic: Topic) -> None:
    """Any write is too large for it. (More replicas in sync than there are Kafka does not ask for.)"""
    asyncio.run(_configure(stack, topic, {"max.message.bytes": "1"}))


def _takes_again(stack: Stack, topic: Topic) -> None:
    asyncio.run(_configure(stack, topic, {}))


async def _configure(stack: Stack, topic: Topic, more: dict[str, str]) -> None:
    admin = AIOKafkaAdminClient(**KafkaConnection(stack.bootstrap).client_settings())
    await admin.start()
    try:
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic.name, {**topic.config(), **more})])
    finally:
        await admin.close()


SCENARIOS = (
    Scenario("below-stopped-ingest", 8, "Kafka away and requests going on: memory", ingest_above_kafka),
    Scenario(
        "below-stopped-profile",
        8,
        "profile cannot publish and touchpoints going on: memory",
        partial(stage_above_its_topic, stage="profile", topic=PROFILE_CHANGES),
    ),
    Scenario(
        "below-stopped-loyalty",
        8,
        "loyalty cannot publish and customers going on: memory",
        partial(stage_above_its_topic, stage="loyalty", topic=LOYALTY_CHANGES),
    ),
    Scenario("below-stopped-projections", 10, "ClickHouse away and events going on: memory", projections_above_clickhouse),
    Scenario("log-nearly-full", 18, "something fills the disk of Kafka", log_nearly_full),
)
