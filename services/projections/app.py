"""Runs the projections stage in the foreground."""

import asyncio
import logging

import uvloop

from services.projections.migrating import TablesGone, migrate
from services.projections.rhythm import Rhythm
from services.projections.routing import TOPICS
from services.projections.sink import STAGE, WarehouseSink
from services.runtime.logging import configure_logging
from services.runtime.metrics import serve_metrics
from services.runtime.settings import Settings
from services.runtime.stage_process import STORE_LOST, kafka_connection
from services.runtime.stream import BatchApp, build
from services.runtime.stream import run as run_stream
from services.runtime.tracing import start_tracing
from services.runtime.warehouse import Warehouse, WarehouseAway

__all__ = ["migrate", "run"]
METRICS_PORT = 9103
TOUCHPOINTS, REST = (0.1, 0.5), (1.0, 3.0)
"""How often they are written, in seconds: least, and most while ClickHouse is slow."""
MOST_LINGER_MS = 20
"""What is read waits for the touchpoints' rhythm in any case: to gather it before only makes it later."""
LONGEST_WAIT_SECONDS = 5.0
log = logging.getLogger(__name__)


async def run(settings: Settings) -> int:
    """Until SIGTERM or SIGINT; the exit code, STORE_LOST where a table was dropped. Reads all that was published, and writes ClickHouse.

    Waits for ClickHouse, and applies missing migrations first. OSError where the metrics port is taken.
    """
    try:
        for name in await _migrated(settings):
            log.info("applied migration %s", name)
    except TablesGone as gone:
        log.error("%s", gone)
        return STORE_LOST
    tracer = start_tracing(STAGE)
    warehouse = Warehouse(settings.clickhouse.address)
    sink = WarehouseSink(warehouse, settings.clickhouse.database, tracer, Rhythm(*TOUCHPOINTS), Rhythm(*REST))
    app = build(
        kafka_connection(settings.kafka),
        f"rapport-{STAGE}",
        TOPICS,
        sink,
        stage=STAGE,
        max_records=settings.stage.max_records,
        linger_ms=min(settings.stage.linger_ms, MOST_LINGER_MS),
        session_seconds=settings.stage.session_seconds,
    )
    sink.give_way = app.joiner.is_waiting
    port, host = settings.stage.metrics_port or METRICS_PORT, settings.stage.metrics_host
    _, stop = serve_metrics(port, lambda: problem_of(app), host)
    try:
        return await run_stream(app)
    finally:
        stop()
        sink.close()
        if tracer:
            tracer.close()


def problem_of(app: BatchApp) -> str | None:
    """What is wrong, in words; None: nothing."""
    return "the stream crashed" if app.crashed else app.joiner.problem()


async def _migrated(settings: Settings) -> list[str]:
    """Waits as long as ClickHouse is away."""
    pause = 0.1
    while True:
        try:
            return await asyncio.to_thread(migrate, settings)
        except WarehouseAway as away:
            log.warning("waiting for ClickHouse: %s", away)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_WAIT_SECONDS)


def main() -> int:
    """``python -m services.projections.app``, configured by RAPPORT_* variables."""
    settings = Settings()
    configure_logging(settings.log.level, settings.log.format == "json")
    return uvloop.run(run(settings))


if __name__ == "__main__":
    raise SystemExit(main())
