"""The one connection to ClickHouse: what is repeated, what is refused, what breaks and heals."""

import pytest

from services.embedded.processes import free_port
from services.runtime.warehouse import Warehouse, WarehouseAway, WarehouseRefused
from tests.projections.cutting_proxy import CuttingProxy


@pytest.fixture
def warehouse(clickhouse: str) -> Warehouse:
    found = Warehouse(clickhouse)
    found.command("CREATE DATABASE IF NOT EXISTS door")
    engine = "MergeTree ORDER BY a SETTINGS non_replicated_deduplication_window = 10"
    found.command(f"CREATE OR REPLACE TABLE door.t (a UInt64, b String) ENGINE = {engine}")
    return found


def test_rows_go_in_by_column_and_come_back(warehouse: Warehouse) -> None:
    warehouse.insert("door.t", ("a", "b"), [(1, "x"), (2, b"bytes"), (3, "ü")])

    assert warehouse.select("SELECT a, b FROM door.t ORDER BY a") == [(1, "x"), (2, "bytes"), (3, "ü")]
    assert warehouse.ask("SELECT a, b AS c FROM door.t WHERE a = %(a)s", {"a": 1}) == (("a", "c"), [(1, "x")])


def test_no_rows_are_no_insert() -> None:
    Warehouse(f"clickhouse://127.0.0.1:{free_port()}", pauses=()).insert("door.t", ("a",), [])


def test_what_clickhouse_refuses_is_told_with_its_code_and_without_its_stack(warehouse: Warehouse) -> None:
    with pytest.raises(WarehouseRefused) as refused:
        warehouse.select("SELECT * FROM door.nowhere")

    assert refused.value.code == 60
    assert "nowhere" in str(refused.value)
    assert "Stack trace" not in str(refused.value)
    assert warehouse.select("SELECT 1") == [(1,)]


def test_a_value_that_does_not_fit_is_our_own_error_and_the_next_insert_is_whole(warehouse: Warehouse) -> None:
    with pytest.raises(Exception, match=r"int too large|argument out of range|'Q' format") as error:
        warehouse.insert("door.t", ("a", "b"), [(1, "kept?"), (2**65, "too large")])

    assert not isinstance(error.value, WarehouseAway | WarehouseRefused)
    warehouse.insert("door.t", ("a", "b"), [(7, "whole")])
    assert warehouse.select("SELECT a, b FROM door.t") == [(7, "whole")]


def test_where_nobody_listens_it_says_so_after_its_attempts() -> None:
    with pytest.raises(WarehouseAway, match="no answer from ClickHouse"):
        Warehouse(f"clickhouse://127.0.0.1:{free_port()}", pauses=(0.01,)).select("SELECT 1")


def test_a_broken_line_is_opened_anew_without_the_caller_noticing(clickhouse: str, warehouse: Warehouse) -> None:
    with CuttingProxy(int(clickhouse.rpartition(":")[2])) as proxy:
        through = Warehouse(f"clickhouse://default@127.0.0.1:{proxy.port}", pauses=(0.01,))
        proxy.lose_answers(1)

        through.insert("door.t", ("a", "b"), [(1, "once")])

        assert proxy.lost == 1
    assert warehouse.select("SELECT a, b FROM door.t") == [(1, "once")]


def test_an_address_may_say_otherwise_than_the_defaults(clickhouse: str) -> None:
    plain = Warehouse(f"{clickhouse}?compression=false&connect_timeout=2")

    assert plain.select("SELECT getSetting('max_threads') > 0") == [(1,)]


def test_a_reader_who_may_change_nothing_can_still_ask(clickhouse: str) -> None:
    reader = Warehouse(clickhouse.replace("default@", "analyst@"))

    assert reader.select("SELECT 1") == [(1,)]
    with pytest.raises(WarehouseRefused):
        reader.command("CREATE TABLE door.mine (a UInt8) ENGINE = Memory")
    with pytest.raises(WarehouseRefused):
        reader.insert("door.t", ("a", "b"), [(1, "x")])
