"""Kafka to a sink, exactly once, on Faust: the transport of every stage.

    app = build(connection, "group", ["topic"], sink, stage="name")
    code = await run(app)

The sink owns the positions and moves them with its effects in one transaction, by compare-and-set on where the batch
started (not on its first offset, which over transaction markers or after a stale batch would never match): zombies and
repeated batches change nothing.
"""

import asyncio
import logging
import os
import signal
import threading
import time
from collections.abc import Sequence
from typing import Any

import faust
from faust.app.base import BootStrategy
from faust.tables.manager import TableManager
from faust.transport.drivers import aiokafka as driver

from services.runtime import metrics
from services.runtime.batch_consumer import BatchConsumer
from services.runtime.batch_joiner import BatchJoiner
from services.runtime.batches import TP, Batch, LogLost, NotYet, Sink, Stale
from services.runtime.interpreter import tune_interpreter
from services.runtime.kafka import KafkaConnection

__all__ = ["TP", "Batch", "BatchApp", "LogLost", "NotYet", "Sink", "Stale", "build", "run"]
log = logging.getLogger(__name__)
CRASH_STOP_SECONDS = 2.0


class NoTables(TableManager):  # type: ignore[misc]
    logger = logging.getLogger("faust.tables")

    async def on_start(self) -> None:
        """Without Faust's pause of 1 s for tables to come up."""
        await self._update_channels()
        await self.recovery.start()


class BatchApp(faust.App):  # type: ignore[misc]
    """A Faust app whose one agent hands batches to a joiner."""

    logger = logging.getLogger("faust.app")
    sink: Sink
    joiner: BatchJoiner
    gather_ms: int
    """How far apart fetches are while records come."""

    class BootStrategy(BootStrategy):  # type: ignore[misc]
        enable_kafka_producer = False

    def _new_transport(self) -> driver.Transport:
        transport = super()._new_transport()
        transport.Consumer = BatchConsumer
        return transport

    def _create_directories(self) -> None:
        """No GROUP-data folder in the working directory."""


FAUST_SETTINGS: dict[str, Any] = {
    "store": "memory://",
    "TableManager": NoTables,
    "table_standby_replicas": 0,
    "web_enabled": False,
    "topic_disable_leader": True,
    "topic_allow_declare": False,
    "consumer_auto_offset_reset": "earliest",
    "stream_buffer_maxsize": 2,  # fetches
    "broker_rebalance_timeout": 20.0,
    "broker_request_timeout": 20.0,
    # A broker that has just started may not know its topics yet; a group that then assigns partitions assigns none until it asks again.
    "consumer_metadata_max_age_ms": 5_000,
    # Never: past it aiokafka leaves the group and waits for a fetch, which Faust does not make before it is back.
    "broker_max_poll_interval": 1e9,
}


def build(
    connection: KafkaConnection,
    group: str,
    topics: Sequence[str],
    sink: Sink,
    *,
    stage: str,
    max_records: int = 16_000,
    linger_ms: int = 50,
    session_seconds: float = 10.0,
    **faust_settings: Any,
) -> BatchApp:
    """Call it in the running loop. `stage` names the metrics.

    `consumer_group_instance_id` makes membership static: back at once after kill -9, but a member that leaves for good
    keeps its partitions for the session timeout.
    """
    session = {"broker_session_timeout": session_seconds, "broker_heartbeat_interval": session_seconds / 10}
    fetch = {"broker_max_poll_records": max_records}  # a stage that is behind then makes few, big transactions
    app = BatchApp(group, **{**FAUST_SETTINGS, **session, **fetch, **connection.faust_settings(), **faust_settings})
    app.sink, app.gather_ms = sink, linger_ms
    # Half of it: fetches are that far apart already, and what one brings would wait for the end of a linger that began in between.
    app.joiner = BatchJoiner(app, sink, stage, max_records, linger_ms / 2_000)
    metrics.STARTED.labels(stage).set(time.time())

    @app.agent(app.topic(*topics, value_serializer="raw"), concurrency=1)  # type: ignore[untyped-decorator]
    async def fetches(stream: Any) -> None:
        async for batches in stream:
            await app.joiner.offer(batches)

    @app.task  # type: ignore[untyped-decorator]
    async def join() -> None:
        await app.joiner.run()

    return app


async def run(app: BatchApp, stop_within: float = 8.0) -> int:
    """Until SIGTERM or SIGINT (0), or a crash (1): then a supervisor starts a new process; Faust does not recover.

    Whatever hangs, also after this returned, the process has left `stop_within` seconds after that, and about a second.
    """
    stop = asyncio.Event()
    _on_signals(asyncio.get_running_loop(), stop, stop_within)
    tune_interpreter()
    app.finalize()
    start = asyncio.create_task(app.start())
    while not (stop.is_set() or app.crashed or _failure(start)):
        await asyncio.sleep(0.1)
    if stop.is_set():
        await _stop(app, 0, stop_within)
        return 0
    log.error("the stream crashed: %r", app.crash_reason or _failure(start))
    _leave_after(CRASH_STOP_SECONDS + 1, 1)
    await _stop(app, 1, CRASH_STOP_SECONDS)
    return 1


def _failure(start: "asyncio.Task[None]") -> BaseException | None:
    if not start.done():
        return None
    return asyncio.CancelledError() if start.cancelled() else start.exception()


async def _stop(app: BatchApp, code: int, seconds: float) -> None:
    """Faust's threads would keep a process whose stop hangs or fails; the sink does not mind their end."""
    try:
        await asyncio.wait_for(app.stop(), seconds)
    except TimeoutError:
        log.warning("not stopped within %.0f s, leaving at once", seconds)
        os._exit(code)
    except (Exception, asyncio.CancelledError) as error:  # cancelled are Faust's own tasks
        log.warning("leaving at once, stopping failed: %r", error)
        os._exit(code)


def _on_signals(loop: asyncio.AbstractEventLoop, stop: asyncio.Event, stop_within: float) -> None:
    """Not the loop's own handlers: those wait while a database holds up the loop."""

    def received(number: int, _frame: Any) -> None:
        if not stop.is_set():
            _leave_after(stop_within + 1, 0)
        loop.call_soon_threadsafe(stop.set)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, received)


def _leave_after(seconds: float, code: int) -> None:
    def leave() -> None:
        log.warning("still here after %.0f s, leaving at once", seconds)
        os._exit(code)

    limit = threading.Timer(seconds, leave)
    limit.daemon = True
    limit.start()
