"""``sql``: a question to ClickHouse, as an analyst who may only read."""

from typing import Annotated

import typer

from services.cli.options import DataDir, arguments


def add_to(app: typer.Typer) -> None:
    app.command(rich_help_panel="Data in, answers out")(sql)


def sql(
    query: Annotated[str, typer.Argument(help="A SELECT, SHOW, DESCRIBE or EXPLAIN; - reads it from standard input.")],
    csv: Annotated[bool, typer.Option("--csv", help="Comma-separated values, all rows, with a heading line.")] = False,
    rows: Annotated[int, typer.Option(help="Show at most this many rows of a table; 0: all.", min=0)] = 100,
    data_dir: DataDir = None,
) -> None:
    """Ask the warehouse and show the answer as a table. Tables without a database name are those of `rapport`.

    Examples:

    - `rapport sql "SELECT * FROM readme"` lists what there is, with an example query each
    - `rapport sql "SELECT lifecycle, count() FROM customers GROUP BY lifecycle"`
    - `rapport sql --csv "SELECT * FROM rfm" > rfm.csv`
    """
    import sys

    from services.cli.running_stack import settings_of_running_stack
    from services.cli.screen import out
    from services.cli.sql import as_csv, as_table, ask

    answer = ask(settings_of_running_stack(arguments(data_dir)), sys.stdin.read() if query == "-" else query)
    if csv:
        as_csv(answer, sys.stdout)
    else:
        out.print(as_table(answer, rows, out.width))
