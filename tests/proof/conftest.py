"""One real ClickHouse for all tests of proofs."""

from collections.abc import Iterator

import pytest

from services.embedded.clickhouse import running_clickhouse
from services.runtime.warehouse import Warehouse


@pytest.fixture(scope="session")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    with running_clickhouse(tmp_path_factory.mktemp("clickhouse")) as server:
        warehouse = Warehouse(f"clickhouse://default@{server.host}:{server.tcp_port}")
        yield warehouse
        warehouse.close()
