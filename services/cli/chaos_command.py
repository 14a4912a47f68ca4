"""``chaos``: real traffic, real processes, faults on purpose, and everything counted afterwards."""

from pathlib import Path
from typing import Annotated

import typer


def add_to(app: typer.Typer) -> None:
    app.command(rich_help_panel="Proof")(chaos)


def chaos(
    scenario: Annotated[list[str] | None, typer.Option(help="Play only this one; may be given several times. [default: all]")] = None,
    events: Annotated[int, typer.Option(min=1, help="Touchpoints in all, shared out among the scenarios.")] = 100_000,
    seed: Annotated[int, typer.Option(help="Of traffic and faults: the same seed does the same again.")] = 1,
    report: Annotated[Path | None, typer.Option(help="Write the report (Markdown) to this file.")] = None,
    short: Annotated[bool, typer.Option("--short", help="A few faults of each kind instead of the whole schedule.")] = False,
    store_url: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Keep the stages' stores in this PostgreSQL instead of SQLite, in a database made for the run and dropped after it.",
        ),
    ] = None,
    listed: Annotated[bool, typer.Option("--list", help="Show the scenarios and leave.")] = False,
) -> None:
    """Break a private installation in every way we know, and prove that nothing is lost and nothing counts twice.

    Starts Kafka, ClickHouse and all services in a temporary directory (nothing of yours is touched), sends touchpoints while it
    kills, stops, cuts off and confuses them, and compares the outcome with a plain fold over the log. Leaves with 1 if anything differs.

    Examples:

    - `rapport chaos --scenario kill-any --events 5000 --short`
    - `rapport chaos --report docs/faults.md`
    - `rapport chaos --short --store-url postgresql://me:secret@localhost/postgres`
    """
    from services.chaos.own_database import NoDatabase
    from services.chaos.run import named, run_all
    from services.cli.chaos_view import show_begin, show_list, show_result, show_total
    from services.cli.errors import CommandFailed

    try:
        chosen = named(scenario or [], postgres=store_url is not None)
    except KeyError as unknown:
        raise CommandFailed(f"there is no scenario {unknown}", "rapport chaos --list shows them") from unknown
    if listed:
        show_list(chosen)
        return
    try:
        results = run_all(chosen, events, seed, not short, show_begin, show_result, report, store_url or "")
    except NoDatabase as error:
        remedy = "--store-url is postgresql://user:password@host/database; its user needs the right to make databases (CREATEDB)"
        raise CommandFailed(f"PostgreSQL: {error}", remedy) from error
    show_total(results)
    raise typer.Exit(1 if any(one.wrong for one in results) else 0)
