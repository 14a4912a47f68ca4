"""``rebuild``: makes what is stored again from the log, beside what is in use, and switches over."""

from enum import StrEnum
from typing import Annotated

import typer

from services.cli.options import DataDir, arguments


class Rebuildable(StrEnum):
    """What can be built again while it is in use."""

    projections = "projections"


def add_to(app: typer.Typer) -> None:
    app.command(rich_help_panel="Data in, answers out")(rebuild)


def rebuild(
    what: Annotated[Rebuildable, typer.Argument(help="projections: ClickHouse's tables.")] = Rebuildable.projections,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes that fill the new tables.")] = 2,
    switch: Annotated[bool, typer.Option(help="Put the new tables in the place of the live ones.")] = True,
    accept_loss: Annotated[
        bool, typer.Option("--accept-loss", help="Switch though Kafka lacks touchpoints that the live tables hold.")
    ] = False,
    drop_old: Annotated[bool, typer.Option("--drop-old", help="Only drop what the last rebuild replaced, or left unfinished.")] = False,
    show_values: Annotated[bool, typer.Option("--show-values", help="Show what is stored: personal data too.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Build ClickHouse's tables again from Kafka beside the live ones, compare, and switch over in one step.

    Traffic may go on. After a crash the same command goes on where it was. The tables that were replaced are kept until `--drop-old`.

    Examples:

    - `rapport rebuild projections`
    - `rapport rebuild projections --no-switch`
    - `rapport rebuild --drop-old`
    """
    from services.cli.rebuild import drop, run

    given = arguments(data_dir)
    raise typer.Exit(drop(given) if drop_old else run(given, workers, switch, accept_loss, show_values))
