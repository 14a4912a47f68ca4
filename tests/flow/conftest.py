"""One real stack for all tests of the flow, started and stopped as a user does."""

from collections.abc import Iterator

import pytest

from services.cli.processes_of_ours import is_alive
from services.embedded.processes import free_port
from tests.flow.command import Stack


def new_stack(factory: pytest.TempPathFactory, name: str) -> Stack:
    """In a directory and on ports of its own; not running yet."""
    return Stack(factory.mktemp(name), {port: free_port() for port in ("ingest", "kafka", "clickhouse", "clickhouse-http")})


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    running = new_stack(tmp_path_factory, "stack")
    told = running.up()
    assert told.code == 0, told.out + told.err
    yield running
    lines = running.board().lines
    told = running.run("down")
    assert told.code == 0, told.out + told.err
    assert "Stopped." in told.out
    assert [line.name for line in lines if is_alive(line.pid, line.created)] == []
