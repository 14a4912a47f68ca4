"""One real ClickHouse for all tests of proofs."""

from collections.abc import Iterator

import pytest

from services.embedded.clickhouse import running_clickhouse
from services.runtime.warehouse import Warehouse


@pytest.fixture(scope="session")
def clickhouse_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_clickhouse(tmp_path_factory.mktemp("clickhouse")) as server:
        yield f"clickhouse://default@{server.host}:{server.tcp_port}"


@pytest.fixture(scope="session")
def warehouse(clickhouse_address: str) -> Iterator[Warehouse]:
    warehouse = Warehouse(clickhouse_address)
    yield warehouse
    warehouse.close()
