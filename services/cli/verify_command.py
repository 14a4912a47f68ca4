"""``verify``: proves that everything shown is what the log says."""

from datetime import datetime
from typing import Annotated

import typer

from services.cli.options import DataDir, arguments

EQUAL, DIFFERENT, NOT_CHECKED = 0, 1, 2


def add_to(app: typer.Typer) -> None:
    app.command(rich_help_panel="Data in, answers out")(verify)


def verify(
    sample: Annotated[int | None, typer.Option(min=1, help="Only so many customers, drawn by chance.")] = None,
    seed: Annotated[int, typer.Option(help="Draws the same customers again.")] = 0,
    since: Annotated[datetime | None, typer.Option(help="Only customers of whom something was received since then (UTC).")] = None,
    tables: Annotated[bool, typer.Option(help="ClickHouse too, not only the stages' stores.")] = True,
    limit: Annotated[int, typer.Option(min=1, help="Show so many differences.")] = 50,
    show_values: Annotated[bool, typer.Option("--show-values", help="Show what is stored: personal data too.")] = False,
    patience: Annotated[float, typer.Option(min=1, help="Wait so many seconds for a service that gets no nearer.")] = 60,
    data_dir: DataDir = None,
) -> None:
    """Fold the whole log again, and compare what comes out with all that is stored, customer by customer.

    Traffic may go on: customers that change meanwhile are set apart and counted. Leaves with 0 where everything is equal, 1 where
    something differs, 2 where it could not be checked.

    Examples:

    - `rapport verify`
    - `rapport verify --sample 1000 --seed 7`
    - `rapport verify --since 2026-11-01 --show-values`
    """
    from services.cli.verify import run
    from services.proof.verify import Asked

    asked = Asked(sample, seed, since, tables, patience)
    raise typer.Exit(run(asked, arguments(data_dir), limit, show_values))
