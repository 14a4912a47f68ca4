"""Rows into ClickHouse: columnar, one insert a table a batch.

A retry that repeats a batch exactly is dropped by ClickHouse itself, which remembers a digest of each block that it took
(``non_replicated_deduplication_window``); one that cuts the batches otherwise is dropped by key when read.
"""

from collections.abc import Mapping, Sequence

from services.projections.routing import TABLES
from services.projections.table import Row, Table
from services.runtime.batches import Batch
from services.runtime.warehouse import Warehouse

_POSITION = ("topic", "partition", "next", "timestamp")


def filled(rows: Mapping[Table, Sequence[Row]]) -> list[tuple[Table, Sequence[Row]]]:
    """The tables that have rows, in the order in which they are written."""
    return [(table, found) for table in TABLES if (found := rows.get(table))]


def write(warehouse: Warehouse, store: str, rows: Mapping[Table, Sequence[Row]]) -> None:
    """Every table that has rows. Raises what the warehouse raises; then some tables may have theirs: call it again."""
    for table, found in filled(rows):
        write_table(warehouse, store, table, found)


def write_table(warehouse: Warehouse, store: str, table: Table, rows: Sequence[Row]) -> None:
    """Raises what the warehouse raises; then they may be there or not: call it again."""
    warehouse.insert(f"{store}.{table.name}", table.columns, rows)


def write_positions(warehouse: Warehouse, store: str, batches: Sequence[Batch]) -> None:
    """After the rows are in."""
    reached = [(batch.tp.topic, batch.tp.partition, batch.next, batch.records[-1].timestamp) for batch in batches]
    warehouse.insert(f"{store}.positions", _POSITION, reached)
