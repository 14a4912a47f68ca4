"""``rebuild``: makes what is stored again from the log, beside what is in use, and switches over."""

from enum import StrEnum
from typing import Annotated

import typer

from services.cli.options import DataDir, arguments


class Rebuildable(StrEnum):
    """What can be built again while it is in use."""

    profile = "profile"
    loyalty = "loyalty"
    projections = "projections"
    all = "all"


def add_to(app: typer.Typer) -> None:
    app.command(rich_help_panel="Data in, answers out")(rebuild)


def rebuild(
    what: Annotated[
        Rebuildable, typer.Argument(help="profile, loyalty: the stage's store. projections: ClickHouse's tables. all: these three at once.")
    ] = Rebuildable.all,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes that fill ClickHouse's new tables.")] = 2,
    switch: Annotated[bool, typer.Option(help="Put what is new in the place of what is live.")] = True,
    accept_loss: Annotated[bool, typer.Option("--accept-loss", help="Switch though Kafka lacks touchpoints that were counted.")] = False,
    drop_old: Annotated[bool, typer.Option("--drop-old", help="Only drop what the last rebuild replaced, or left unfinished.")] = False,
    show_values: Annotated[bool, typer.Option("--show-values", help="Show what is stored: personal data too.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Build what is stored again from Kafka beside what is live, compare, and switch over in one step.

    Traffic may go on, and a store that was deleted or damaged comes back. Nothing is published twice: only what differs, with each
    customer's next number. After a crash the same command goes on where it was. What was replaced is kept until `--drop-old`.

    Examples:

    - `rapport rebuild profile`
    - `rapport rebuild projections --no-switch`
    - `rapport rebuild --drop-old`
    """
    from services.cli.rebuild import drop, run

    given = arguments(data_dir)
    parts = [part.value for part in Rebuildable if part is not Rebuildable.all] if what is Rebuildable.all else [what.value]
    raise typer.Exit(drop(given, parts) if drop_old else run(given, parts, workers, switch, accept_loss, show_values))
