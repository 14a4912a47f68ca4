"""Asks the warehouse what a person typed, with reading rights only, and shows the answer."""

import csv
from datetime import datetime
from typing import Any, TextIO

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from services.cli.errors import CommandFailed
from services.runtime.settings import Settings
from services.runtime.warehouse import Answer, Warehouse, WarehouseAway, WarehouseRefused

LISTS = '`rapport sql "SELECT * FROM readme"` lists tables and views, `rapport sql "DESCRIBE customers"` the columns of one'


def reader_address(settings: Settings) -> str:
    """The embedded ClickHouse's analyst, who may only read; a configured one is asked in a session that only reads."""
    database = settings.clickhouse.database
    if settings.clickhouse.url is None:
        return f"clickhouse://analyst@127.0.0.1:{settings.clickhouse.port}/{database}"
    address = settings.clickhouse.address
    base, _, options = address.partition("?")
    path = base if base.count("/") > 2 else f"{base}/{database}"
    return f"{path}?readonly=2{'&' + options if options else ''}"


def ask(settings: Settings, query: str) -> Answer:
    """Raises CommandFailed with ClickHouse's own words."""
    warehouse = Warehouse(reader_address(settings), pauses=())
    try:
        return warehouse.ask(query)
    except WarehouseRefused as refused:
        raise CommandFailed(f"ClickHouse says: {refused}", LISTS) from refused
    except WarehouseAway as away:
        raise CommandFailed(f"ClickHouse cannot be reached: {away}", "`rapport status` shows the stack, `rapport up` starts it") from away
    finally:
        warehouse.close()


def as_table(answer: Answer, most: int) -> RenderableType:
    """Numbers to the right; at most ``most`` rows (0: all), saying how many more there are."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    shown = answer.rows[:most] if most else answer.rows
    for index, name in enumerate(answer.columns):
        is_number = bool(shown) and isinstance(shown[0][index], int | float) and not isinstance(shown[0][index], bool)
        table.add_column(name, justify="right" if is_number else "left", overflow="fold")
    for row in shown:
        table.add_row(*(Text(_cell(value)) for value in row))
    left = len(answer.rows) - len(shown)
    more = f"… {left:,} more rows: --rows 0 shows all, --csv writes them out" if left else f"{len(answer.rows):,} rows"
    return Group(table, Text(more, "dim"))


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
