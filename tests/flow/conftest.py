"""One real stack for all tests of the flow, started and stopped as a user does."""

from collections.abc import Iterator, Mapping

import pytest

from services.cli.processes_of_ours import is_alive
from services.embedded.processes import free_port
from tests.flow.collector import Collector, running_collector
from tests.flow.command import NO_VARIABLES, Stack


def new_stack(factory: pytest.TempPathFactory, name: str, variables: Mapping[str, str] = NO_VARIABLES) -> Stack:
    """In a directory and on ports of its own; not running yet."""
    ports = ("ingest", "kafka", "clickhouse", "clickhouse-http", "loyalty")
    return Stack(factory.mktemp(name), {port: free_port() for port in ports}, variables)


@pytest.fixture(scope="session")
def collector() -> Iterator[Collector]:
    """Where the stack's spans go."""
    with running_collector() as collector:
        yield collector


@pytest.fixture(scope="session")
def stack(collector: Collector, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """It logs all that it can, and sends the spans of requests that say that they are traced, of no others."""
    variables = {
        "RAPPORT_LOG_LEVEL": "debug",
        "RAPPORT_LOG_FORMAT": "json",
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint,
        "OTEL_TRACES_SAMPLER": "parentbased_always_off",
        "OTEL_BSP_SCHEDULE_DELAY": "100",
    }
    running = new_stack(tmp_path_factory, "stack", variables)
    told = running.up()
    assert told.code == 0, told.out + told.err
    yield running
    lines = running.board().lines
    told = running.run("down")
    assert told.code == 0, told.out + told.err
    assert "Stopped." in told.out
    assert [line.name for line in lines if is_alive(line.pid, line.created)] == []
