"""One stage as a process: its store, its place in the log, its metrics, until SIGTERM."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from services.runtime.commands import Commands
from services.runtime.event_store import EventStore, StoreLost
from services.runtime.event_store_postgres import PostgresEventStore
from services.runtime.event_store_sqlite import SQLiteEventStore
from services.runtime.http_server import Door, serving
from services.runtime.kafka import KafkaConnection
from services.runtime.metrics import serve_metrics
from services.runtime.settings import KafkaSettings, Settings
from services.runtime.stage import Stage
from services.runtime.store_check import check_file, check_history, check_whole_file, is_large
from services.runtime.stream import BatchApp, build, run
from services.runtime.tracing import Tracer, start_tracing
from services.runtime.worker import Worker

log = logging.getLogger(__name__)
STORE_LOST = 3


@dataclass(frozen=True)
class StageProcess:
    """What a stage is to the runtime. ``publishes``: the topic of its events; ``metrics_port`` is its own default;
    ``deduplicate_by_id`` as the Worker has it."""

    name: str
    topics: Sequence[str]
    publishes: str
    kinds: Sequence[str]
    metrics_port: int
    item_kinds: Sequence[str] = ()
    deduplicate_by_id: bool = False


async def run_stage(
    settings: Settings,
    process: StageProcess,
    make: Callable[[EventStore], Stage],
    door: Callable[[Commands, Tracer | None], Door] | None = None,
) -> int:
    """Runs the stage until SIGTERM or SIGINT. The exit code: 0; 1 after a crash, when it should be started again; STORE_LOST where the
    store is not whole, which only a person can change.

    ``door``: what lets commands in. OSError where the metrics port is taken, PortInUse where the door's is.
    """
    connection = kafka_connection(settings.kafka)
    try:
        store = await open_whole_store(settings, process, connection)
    except StoreLost as lost:
        log.error("%s", lost)
        return STORE_LOST
    tracer = start_tracing(process.name)
    async with Worker(
        make(store),
        store,
        connection,
        deduplicate_by_id=process.deduplicate_by_id,
        snapshot_seconds=settings.stage.snapshot_seconds,
        max_backlog=2 * settings.stage.max_records,
        max_quarantine_share=settings.stage.max_quarantine_share,
        tracer=tracer,
    ) as worker:
        app = build(
            connection,
            f"rapport-{process.name}",
            process.topics,
            worker,
            stage=process.name,
            max_records=settings.stage.max_records,
            linger_ms=settings.stage.linger_ms,
            session_seconds=settings.stage.session_seconds,
        )
        port, host = settings.stage.metrics_port or process.metrics_port, settings.stage.metrics_host
        worker.commands.wake = app.joiner.wake
        async with AsyncExitStack() as serves:
            _, stop = serve_metrics(port, lambda: problem_of(app), host)
            serves.callback(stop)
            if tracer:
                serves.callback(tracer.close)
            if door is not None:
                await serves.enter_async_context(serving(door(worker.commands, tracer)))
                serves.callback(worker.commands.close)
            await serves.enter_async_context(_whole_file_checked(settings, process, app))
            code = await run(app)
    if isinstance(app.crash_reason, StoreLost):
        log.error("%s. %s", app.crash_reason, _remedy(process))
        return STORE_LOST
    return code


@asynccontextmanager
async def _whole_file_checked(settings: Settings, process: StageProcess, app: BatchApp) -> AsyncIterator[None]:
    """Beside the running stage, where the file is too large to have been looked at as a whole before: it ends where damage is found."""

    async def check() -> None:
        try:
            await check_whole_file(path)
        except StoreLost as lost:
            await app.crash(lost)

    path = store_file(settings, process.name)
    checking = asyncio.create_task(check()) if not settings.store.url and is_large(path) else None
    try:
        yield
    finally:
        if checking:
            checking.cancel()
            await asyncio.gather(checking, return_exceptions=True)


def _remedy(process: StageProcess) -> str:
    return f"`rapport rebuild {process.name}` mends it"


def problem_of(app: BatchApp) -> str | None:
    """What is wrong, in words; None: nothing."""
    return "the stream crashed" if app.crashed else app.joiner.problem()


async def open_whole_store(settings: Settings, process: StageProcess, connection: KafkaConnection) -> EventStore:
    """The stage's store, which knows all that the stage ever published. Raises StoreLost. Waits while Kafka is away."""
    remedy = _remedy(process)
    if not settings.store.url:
        try:
            check_file(store_file(settings, process.name))
        except StoreLost as lost:
            raise StoreLost(f"{lost}. {remedy}") from lost
    store = open_store(settings, process)
    try:
        await check_history(store.last_id, connection, process.publishes, remedy)
    except BaseException:
        store.close()
        raise
    return store


def open_store(settings: Settings, process: StageProcess) -> EventStore:
    """The stage's store: a schema of its own in PostgreSQL, or a SQLite file in the data directory."""
    if settings.store.url:
        conninfo = settings.store.url.get_secret_value()
        return PostgresEventStore(conninfo, schema=process.name, kinds=process.kinds, item_kinds=process.item_kinds)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    path, cache_mb = store_file(settings, process.name), settings.store.page_cache_mb
    return SQLiteEventStore(path, kinds=process.kinds, item_kinds=process.item_kinds, cache_mb=cache_mb)


def store_file(settings: Settings, stage: str) -> Path:
    """Where that stage's store is, unless PostgreSQL has it."""
    return settings.data_dir / f"{stage}.sqlite"


def kafka_connection(kafka: KafkaSettings) -> KafkaConnection:
    """Where the brokers are, and how to prove who we are."""
    return KafkaConnection(
        bootstrap=kafka.servers,
        security_protocol=kafka.security_protocol,
        sasl_mechanism=kafka.sasl_mechanism,
        username=kafka.username,
        password=kafka.password.get_secret_value() if kafka.password else None,
        ca_file=str(kafka.ca_file) if kafka.ca_file else None,
        certificate_file=str(kafka.certificate_file) if kafka.certificate_file else None,
        key_file=str(kafka.key_file) if kafka.key_file else None,
    )
