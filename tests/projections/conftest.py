"""One real ClickHouse for all tests of projections, and an empty pair of databases for each test that asks."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from services.embedded.clickhouse import running_clickhouse
from services.projections.batch_rows import rows_of_batch
from services.projections.migrating import migrate_with, store_of
from services.projections.routing import TABLES
from services.projections.writer import write
from services.runtime.warehouse import Warehouse
from tests.projections.published import Said

_numbers = count(1)


@dataclass
class Analyst:
    """Rapport's tables as an analyst sees them, and a way to deliver messages to them."""

    warehouse: Warehouse
    database: str
    outcomes: list[dict[tuple[str, str], int]] = field(default_factory=list)

    @property
    def store(self) -> str:
        return store_of(self.database)

    def deliver(self, *messages: Said) -> None:
        """In one batch."""
        batch = rows_of_batch(messages)
        write(self.warehouse, self.store, batch.rows)
        self.outcomes.append(dict(batch.outcomes))

    def ask(self, query: str, **parameters: Any) -> list[tuple[Any, ...]]:
        """`rapport.` in the query stands for this test's database."""
        return self.warehouse.select(query.replace("rapport_store.", f"{self.store}.").replace("rapport.", f"{self.database}."), parameters)

    def row(self, query: str, **parameters: Any) -> dict[str, Any]:
        """The only row of the answer, by name."""
        answer = self.warehouse.ask(query.replace("rapport_store.", f"{self.store}.").replace("rapport.", f"{self.database}."), parameters)
        assert len(answer.rows) == 1, answer.rows
        return dict(zip(answer.columns, answer.rows[0], strict=True))

    def empty(self) -> None:
        for table in TABLES:
            self.warehouse.command(f"TRUNCATE TABLE {self.store}.{table.name}")

    def stop_merges(self) -> None:
        self.warehouse.command("SYSTEM STOP MERGES")


@pytest.fixture(scope="session")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_clickhouse(tmp_path_factory.mktemp("clickhouse")) as server:
        yield f"clickhouse://default@{server.host}:{server.tcp_port}"


@pytest.fixture(scope="session")
def migrated(clickhouse: str) -> Iterator[Analyst]:
    """One migrated pair of databases, for tests that empty it or only read what migrations made."""
    warehouse = Warehouse(clickhouse)
    analyst = Analyst(warehouse, "rapport")
    migrate_with(warehouse, analyst.database)
    yield analyst
    warehouse.close()


@pytest.fixture
def analyst(migrated: Analyst) -> Analyst:
    """The tables, empty, their parts left unmerged: what is exact here is exact always."""
    migrated.stop_merges()
    migrated.empty()
    return migrated


@pytest.fixture
def fresh_database(clickhouse: str) -> Iterator[tuple[Warehouse, str]]:
    """A name of which no database exists."""
    warehouse, name = Warehouse(clickhouse), f"test_{next(_numbers)}"
    yield warehouse, name
    warehouse.command(f"DROP DATABASE IF EXISTS {name}")
    warehouse.command(f"DROP DATABASE IF EXISTS {store_of(name)}")
    warehouse.close()


@pytest.fixture(scope="session")
def examples() -> Path:
    return Path(__file__).parents[2] / "schemas" / "examples"
