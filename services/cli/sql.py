"""Asks the warehouse what a person typed, with reading rights only, and shows the answer."""

import csv
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from typing import Any, TextIO

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from services.cli.errors import CommandFailed
from services.cli.running_stack import require_running
from services.runtime.settings import Settings
from services.runtime.warehouse import Answer, Warehouse, WarehouseAway, WarehouseRefused

LISTS = '`rapport sql "SELECT * FROM readme"` lists tables and views, `rapport sql "DESCRIBE customers"` the columns of one'

ONLY_READS = "begin with SELECT, WITH, SHOW, DESCRIBE or EXPLAIN: this command only reads; clickhouse-client as user default may change"
READONLY = 164
MOST_COLUMNS_A_WIDTH = 0.1
"""A table needs about ten characters a column to be read."""


def reader_address(settings: Settings) -> str:
    """The embedded ClickHouse's analyst, who may only read; a configured one is asked in a session that only reads."""
    database = settings.clickhouse.database
    if settings.clickhouse.url is None:
        return f"clickhouse://analyst@127.0.0.1:{settings.clickhouse.port}/{database}"
    address = settings.clickhouse.address
    base, _, options = address.partition("?")
    path = base if base.count("/") > 2 else f"{base}/{database}"
    return f"{path}?readonly=2{'&' + options if options else ''}"


@contextmanager
def reading(settings: Settings) -> Iterator[Warehouse]:
    """A connection that only reads. Raises CommandFailed where ClickHouse does not answer, or with its own words."""
    if settings.clickhouse.url is None:
        require_running(settings)
    logging.getLogger("clickhouse_driver").addHandler(logging.NullHandler())  # what it would say is said below
    warehouse = Warehouse(reader_address(settings), pauses=())
    try:
        yield warehouse
    except WarehouseRefused as refused:
        remedy = ONLY_READS if refused.code == READONLY else LISTS
        raise CommandFailed(f"ClickHouse says: {_plain(str(refused))}", remedy) from refused
    except WarehouseAway as away:
        raise CommandFailed(f"ClickHouse cannot be reached: {away}", "`rapport status` shows the stack, `rapport up` starts it") from away
    finally:
        warehouse.close()


def ask(settings: Settings, query: str, parameters: Mapping[str, Any] | None = None) -> Answer:
    """Raises as ``reading`` does."""
    with reading(settings) as warehouse:
        return warehouse.ask(query, parameters)


def _plain(words: str) -> str:
    return words.removeprefix("DB::Exception: ").removesuffix(" Stack trace:")


def as_table(answer: Answer, most: int, width: int) -> RenderableType:
    """At most ``most`` rows (0: all), saying how many more there are. What is too wide is shown a column a line."""
    shown = answer.rows[:most] if most else answer.rows
    left = len(answer.rows) - len(shown)
    more = f"… {left:,} more rows: --rows 0 shows all, --csv writes them out" if left else f"{len(answer.rows):,} rows"
    is_wide = len(answer.columns) > MOST_COLUMNS_A_WIDTH * width
    return Group(_column_a_line(answer.columns, shown) if is_wide else _row_a_line(answer.columns, shown), Text(more, "dim"))


def _column_a_line(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for row in rows:
        for name, value in zip(columns, row, strict=True):
            table.add_row(name, Text(_cell(value)))
        table.add_section()
        table.add_row("", "")
    return table


def _row_a_line(columns: Sequence[str], shown: Sequence[Sequence[Any]]) -> Table:
    """Numbers to the right."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for index, name in enumerate(columns):
        is_number = bool(shown) and isinstance(shown[0][index], int | float | Decimal) and not isinstance(shown[0][index], bool)
        table.add_column(name, justify="right" if is_number else "left", overflow="fold")
    for row in shown:
        table.add_row(*(Text(_cell(value)) for value in row))
    return table


def as_csv(answer: Answer, file: TextIO) -> None:
    writer = csv.writer(file)
    writer.writerow(answer.columns)
    writer.writerows([_cell(value) for value in row] for row in answer.rows)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    return str(value)
