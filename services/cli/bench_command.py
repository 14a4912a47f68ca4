"""``bench``: how fast each stage and the whole path are on this machine."""

from typing import Annotated

import typer


def add_to(app: typer.Typer) -> None:
    app.command(rich_help_panel="Proof")(bench)


def bench(
    customers: Annotated[int, typer.Option(min=1, help="Customers whom the touchpoints are about.")] = 50_000,
    events: Annotated[int, typer.Option(min=1, help="Touchpoints in the log that the stages work off.")] = 300_000,
    sustained: Annotated[int, typer.Option(min=100, help="Touchpoints posted as fast as they are taken.")] = 100_000,
    paced: Annotated[int, typer.Option(min=100, help="Touchpoints a second posted in a fixed rhythm.")] = 1_000,
    seconds: Annotated[int, typer.Option(min=1, help="How long the fixed rhythm lasts.")] = 30,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Measure every stage, and the way from a POST to a row in ClickHouse, on a private stack of real engines.

    Figures, never verdicts: machines are shared and noisy, so compare ratios within one run. About four minutes on two cores.

    Examples:

    - `rapport bench`
    - `rapport bench --events 50000 --sustained 20000 --seconds 10`
    """
    from services.cli.errors import CommandFailed

    try:
        from bench.__main__ import measure
    except ImportError as missing:
        raise CommandFailed(
            "the bench is part of the source tree, not of the package", "run it as ./rapport bench in a checkout"
        ) from missing
    measure(customers, events, sustained, paced, seconds, json)
