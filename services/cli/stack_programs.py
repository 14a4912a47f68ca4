"""The programs of a stack under these settings: the embedded engines that no address replaces, preparations, and the four services."""

import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from services.cli.programs import Health, Program
from services.embedded.directory_lock import hold
from services.embedded.errors import DirectoryInUse, PortTaken
from services.embedded.processes import LOOPBACK, free_port, require_free_port
from services.embedded.progress import OnProgress
from services.embedded.stack import Component, EmbeddedStack
from services.runtime.configuration import environment_with
from services.runtime.http_requests import get
from services.runtime.settings import Settings

METRICS_PORTS = {"profile": 9101, "loyalty": 9102, "projections": 9103}
SERVICES_STOP = 1
ENGINES = {"clickhouse": (2, 15.0), "kafka": (3, 20.0)}
"""When each engine is stopped, after the services, and the seconds it has for it."""


def ports_in_use(settings: Settings) -> dict[str, Any]:
    """The settings that another terminal needs to reach this stack."""
    return {
        "ingest": {"port": settings.ingest.port},
        "loyalty": {"port": settings.loyalty.port},
        "kafka": {"port": settings.kafka.port},
        "clickhouse": {"port": settings.clickhouse.port, "http_port": settings.clickhouse.http_port},
    }


def require_free_ports(settings: Settings) -> None:
    """Raises PortTaken, naming the flag that moves it."""
    require_free_port(settings.ingest.port, "--ingest-port", "ingest")
    if settings.loyalty.port:
        require_free_port(settings.loyalty.port, "--loyalty-port", "loyalty")
    if settings.kafka.bootstrap is None:
        require_free_port(settings.kafka.port, "--kafka-port", "Kafka")
    if settings.clickhouse.url is None:
        require_free_port(settings.clickhouse.port, "--clickhouse-port", "ClickHouse")
        require_free_port(settings.clickhouse.http_port, "--clickhouse-http-port", "ClickHouse (HTTP)")


@contextmanager
def metrics_ports(lock_file: Path | None = None) -> Iterator[dict[str, int]]:
    """Stage → port. Of stacks that run side by side one has the stages' own ports, however close they start; the others any free ones."""
    lock_file = lock_file or Path(tempfile.gettempdir()) / f"rapport-{os.getuid()}-metrics-ports.lock"
    with ExitStack() as held:
        try:
            held.enter_context(hold(lock_file, "the metrics' ports"))
        except DirectoryInUse:
            yield {name: free_port() for name in METRICS_PORTS}
        else:
            yield {name: _own_or_free(name) for name in METRICS_PORTS}


def _own_or_free(name: str) -> int:
    try:
        require_free_port(METRICS_PORTS[name], "RAPPORT_STAGE_METRICS_PORT", name)
    except PortTaken:
        return free_port()
    return METRICS_PORTS[name]


def programs(settings: Settings, arguments: Mapping[str, Any], metrics: Mapping[str, int]) -> list[Program]:
    """All of them, in the order in which they are shown. ``metrics``: the stages' ports for it."""
    return [*_engines(settings), *_preparations(settings, arguments), *_services(settings, arguments, metrics)]


def _engines(settings: Settings) -> list[Program]:
    """The embedded ones that no configured address replaces."""
    return [
        _engine(component, *ENGINES[component.name], settings)
        for component in embedded(settings).components()
        if _wanted(settings, component)
    ]


def _wanted(settings: Settings, component: Component) -> bool:
    configured = {"kafka": settings.kafka.bootstrap, "clickhouse": settings.clickhouse.url}
    return configured[component.name] is None


def _engine(component: Component, stop_turn: int, stop_within: float, settings: Settings) -> Program:
    addresses = {
        "kafka": f"{LOOPBACK}:{settings.kafka.port}",
        "clickhouse": f"{LOOPBACK}:{settings.clickhouse.port} http://{LOOPBACK}:{settings.clickhouse.http_port}",
    }
    return Program(
        component.name,
        list(component.argv),
        component.log_path,
        lambda: None if component.ready() else "does not answer",
        address=addresses[component.name],
        stop_turn=stop_turn,
        stop_within=stop_within,
        environment=component.env,
    )


def _preparations(settings: Settings, arguments: Mapping[str, Any]) -> list[Program]:
    engines = {program.name for program in _engines(settings)}
    environment = environment_with(arguments)

    def preparation(name: str, engine: str) -> Program:
        needs = (engine,) if engine in engines else ()
        command, log = _rapport("migrate", name), settings.data_dir / "logs" / f"{name}.log"
        return Program(name, command, log, lambda: None, needs=needs, preparation=True, environment=environment)

    return [preparation("topics", "kafka"), preparation("tables", "clickhouse")]


def _services(settings: Settings, arguments: Mapping[str, Any], metrics: Mapping[str, int]) -> list[Program]:
    logs = settings.data_dir / "logs"
    door = f"http://{settings.ingest.host}:{settings.ingest.port}"
    environment = environment_with(arguments)
    ingest = Program(
        "ingest",
        _rapport("ingest"),
        logs / "ingest.log",
        _well(f"{door}/readyz"),
        address=door,
        needs=("topics",),
        stop_turn=SERVICES_STOP,
        environment=environment,
    )
    needs = {"profile": ("topics",), "loyalty": ("topics",), "projections": ("topics", "tables")}
    doors = {"loyalty": f" http://{settings.loyalty.host}:{settings.loyalty.port}"} if settings.loyalty.port else {}
    return [ingest, *(_stage(name, port, needs[name], logs, environment, doors.get(name, "")) for name, port in metrics.items())]


def _stage(name: str, port: int, needs: tuple[str, ...], logs: Path, environment: Mapping[str, str], door: str) -> Program:
    """``port``: of its metrics. ``door``: where it also listens."""
    address = f"http://{LOOPBACK}:{port}"
    return Program(
        name,
        _rapport(name),
        logs / f"{name}.log",
        _well(f"{address}/healthz"),
        address=address + door,
        needs=needs,
        stop_turn=SERVICES_STOP,
        environment={**environment, "RAPPORT_STAGE_METRICS_PORT": str(port)},
    )


def _rapport(*command: str) -> list[str]:
    return [sys.executable, "-P", "-m", "services.cli", *command]


def _well(url: str) -> Health:
    def look() -> str | None:
        try:
            reply = get(url)
        except OSError as error:
            return f"{url}: {error}"
        return None if reply.status == 200 else reply.body.decode("utf-8", "replace").strip()[:200]

    return look


def prepare_engines(settings: Settings, on_progress: OnProgress) -> None:
    """Fetches what the engines are made of, once; later calls only check. Raises EmbeddedStackError."""
    if settings.kafka.bootstrap is None:
        embedded(settings).prepare(on_progress)


def embedded(settings: Settings) -> EmbeddedStack:
    return EmbeddedStack(settings.data_dir, settings.kafka.port, settings.clickhouse.port, settings.clickhouse.http_port)
