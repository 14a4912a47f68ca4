"""Runs ingest in the foreground: uvicorn with httptools, on whatever loop the caller chose (uvloop, through ``main``)."""

import asyncio
import logging
import signal
import time
from contextlib import suppress
from functools import partial

import uvicorn
import uvloop

from schemas.topics import QUARANTINE, TOUCHPOINTS
from services.ingest.append import Appender
from services.ingest.door import Door, FrontDoor
from services.ingest.http import create_app
from services.ingest.log_connection import LogConnection
from services.ingest.log_room import LogRoom
from services.ingest.message_key import keys_by
from services.ingest.traced_door import TracedDoor
from services.ingest.write_keys import write_keys_of
from services.runtime import metrics
from services.runtime.http_server import Server, config_of
from services.runtime.interpreter import tune_interpreter
from services.runtime.kafka import new_producer
from services.runtime.log_disk import free_bytes
from services.runtime.logging import configure_logging
from services.runtime.settings import Settings
from services.runtime.stage_process import kafka_connection
from services.runtime.tracing import Tracer, start_tracing

STAGE = "ingest"
"""As metrics name it."""

BATCH_BYTES = 900_000
"""Below Kafka's default of 1 MiB a batch, so that a topic made by somebody else takes it too."""

REQUEST_TIMEOUT_MS = 5_000
FINISH_REQUESTS_SECONDS = 5
"""After SIGTERM; the 4 s in which Kafka must acknowledge fit in. Closing the log takes 3.5 s at most, so all is over before 10 s."""

_log = logging.getLogger(__name__)


async def run(settings: Settings) -> int:
    """Serves until SIGTERM or SIGINT, then answers what is under way and stops within 10 s. The exit code: 0, or 1 where the
    port is taken. Kafka may be away at the start: requests are answered 503 until it is there."""
    appender, tracer = appender_of(settings), start_tracing(STAGE)
    server = Server(_uvicorn_config(create_app(door_of(settings, appender, tracer)), settings))
    _stop_on_signals(server)
    metrics.STARTED.labels(STAGE).set(time.time())
    appender.start()
    tune_interpreter()
    try:
        await server.serve()
    except SystemExit:
        _log.error("port %d of %s cannot be used: choose another with RAPPORT_INGEST_PORT", settings.ingest.port, settings.ingest.host)
        return 1
    finally:
        await appender.close()
        if tracer:
            tracer.close()
    return 0


def appender_of(settings: Settings) -> Appender:
    """Call it in the running loop."""
    connection = kafka_connection(settings.kafka)

    def producer() -> object:
        return new_producer(connection, max_batch_size=BATCH_BYTES, request_timeout_ms=REQUEST_TIMEOUT_MS, client_id="rapport-ingest")

    log = LogConnection(producer, (TOUCHPOINTS.name, QUARANTINE.name))
    log.when_broken(metrics.RESTARTS.labels(STAGE, "producer").inc)
    return Appender(log, LogRoom(lambda: log.ask(free_bytes), settings.ingest.min_log_disk_bytes))


def door_of(settings: Settings, appender: Appender, tracer: Tracer | None = None) -> Door:
    limits = settings.ingest
    keys = write_keys_of(settings.data_dir)
    metrics.INGEST_KAFKA_UP.set_function(lambda: 0 if appender.problem else 1)
    made = partial(TracedDoor, tracer) if tracer else Door
    return made(keys, appender, keys_by(settings.identity.priority), limits.max_body_bytes, limits.max_batch, limits.max_pending_bytes)


def _uvicorn_config(app: FrontDoor, settings: Settings) -> uvicorn.Config:
    return config_of(
        app,
        host=settings.ingest.host,
        port=settings.ingest.port,
        backlog=4096,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=FINISH_REQUESTS_SECONDS,
    )


def _stop_on_signals(server: uvicorn.Server) -> None:
    def stop() -> None:
        server.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        with suppress(RuntimeError, ValueError):  # not in the main thread: whoever runs the loop stops it
            asyncio.get_running_loop().add_signal_handler(number, stop)


def main() -> int:
    """``python -m services.ingest.app``, configured by RAPPORT_* variables."""
    settings = Settings()
    configure_logging(settings.log.level, settings.log.format == "json")
    return uvloop.run(run(settings))


if __name__ == "__main__":
    raise SystemExit(main())
