"""The programs of a stack under these settings: the embedded engines that no address replaces, preparations, and the four services."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from services.cli.programs import Health, Program
from services.embedded import clickhouse, kafka
from services.embedded.errors import PortTaken
from services.embedded.jar_download import OnProgress
from services.embedded.kafka_readiness import broker_answers
from services.embedded.processes import LOOPBACK, free_port, require_free_port
from services.runtime.configuration import environment_with
from services.runtime.http_requests import get
from services.runtime.settings import Settings

METRICS_PORTS = {"profile": 9101, "loyalty": 9102, "projections": 9103}
SERVICES_STOP, CLICKHOUSE_STOPS, KAFKA_STOPS = 1, 2, 3


def ports_in_use(settings: Settings) -> dict[str, Any]:
    """The settings that another terminal needs to reach this stack."""
    return {
        "ingest": {"port": settings.ingest.port},
        "kafka": {"port": settings.kafka.port},
        "clickhouse": {"port": settings.clickhouse.port, "http_port": settings.clickhouse.http_port},
    }


def require_free_ports(settings: Settings) -> None:
    """Raises PortTaken, naming the flag that moves it."""
    require_free_port(settings.ingest.port, "--ingest-port", "ingest")
    if settings.kafka.bootstrap is None:
        require_free_port(settings.kafka.port, "--kafka-port", "Kafka")
    if settings.clickhouse.url is None:
        require_free_port(settings.clickhouse.port, "--clickhouse-port", "ClickHouse")
        require_free_port(settings.clickhouse.http_port, "--clickhouse-http-port", "ClickHouse (HTTP)")


def programs(settings: Settings, arguments: Mapping[str, Any]) -> list[Program]:
    """All of them, in the order in which they are shown."""
    return [*_engines(settings), *_preparations(settings, arguments), *_services(settings, arguments)]


def _engines(settings: Settings) -> list[Program]:
    found = []
    logs = settings.data_dir / "logs"
    if settings.kafka.bootstrap is None:
        found.append(_kafka(settings, logs))
    if settings.clickhouse.url is None:
        found.append(_clickhouse(settings, logs))
    return found


def _kafka(settings: Settings, logs: Path) -> Program:
    port = settings.kafka.port
    return Program(
        "kafka",
        [sys.executable, "-P", "-m", "services.embedded.kafka", "--data-dir", str(settings.data_dir), "--port", str(port)],
        logs / "kafka.out",
        lambda: None if broker_answers(port) else "does not answer",
        address=f"{LOOPBACK}:{port}",
        stop_turn=KAFKA_STOPS,
        stop_within=20,
    )


def _clickhouse(settings: Settings, logs: Path) -> Program:
    tcp, http = settings.clickhouse.port, settings.clickhouse.http_port
    return Program(
        "clickhouse",
        clickhouse.server_command(settings.data_dir, tcp, http),
        logs / "clickhouse.log",
        lambda: None if clickhouse.server_answers(tcp, http) else "does not answer",
        address=f"{LOOPBACK}:{tcp} http://{LOOPBACK}:{http}",
        stop_turn=CLICKHOUSE_STOPS,
    )


def _preparations(settings: Settings, arguments: Mapping[str, Any]) -> list[Program]:
    engines = {program.name for program in _engines(settings)}
    environment = environment_with(arguments)

    def preparation(name: str, engine: str) -> Program:
        needs = (engine,) if engine in engines else ()
        command, log = _rapport("migrate", name), settings.data_dir / "logs" / f"{name}.log"
        return Program(name, command, log, lambda: None, needs=needs, preparation=True, environment=environment)

    return [preparation("topics", "kafka"), preparation("tables", "clickhouse")]


def _services(settings: Settings, arguments: Mapping[str, Any]) -> list[Program]:
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
    return [ingest, *(_stage(name, needs[name], logs, environment) for name in METRICS_PORTS)]


def _stage(name: str, needs: tuple[str, ...], logs: Path, environment: Mapping[str, str]) -> Program:
    port = _metrics_port(name)
    address = f"http://{LOOPBACK}:{port}"
    return Program(
        name,
        _rapport(name),
        logs / f"{name}.log",
        _well(f"{address}/healthz"),
        address=address,
        needs=needs,
        stop_turn=SERVICES_STOP,
        environment={**environment, "RAPPORT_STAGE_METRICS_PORT": str(port)},
    )


def _metrics_port(name: str) -> int:
    """The stage's own port, or a free one where another stack has it."""
    try:
        require_free_port(METRICS_PORTS[name], "RAPPORT_STAGE_METRICS_PORT", name)
    except PortTaken:
        return free_port()
    return METRICS_PORTS[name]


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


def fetch_engines(settings: Settings, on_progress: OnProgress) -> None:
    """Fetches what the engines are made of, once; later calls only check. Raises EmbeddedStackError."""
    if settings.kafka.bootstrap is None:
        kafka.fetch_kafka(on_progress)
