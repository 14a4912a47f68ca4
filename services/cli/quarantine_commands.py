"""``quarantine``: what could not be taken in, and why."""

from typing import Annotated

import typer

from services.cli.options import DataDir, arguments

quarantine = typer.Typer(name="quarantine", help="What could not be taken in: kept whole, with the reason.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    app.add_typer(quarantine, rich_help_panel="Data in, answers out")


@quarantine.command("list")
def list_refused(
    reason: Annotated[str | None, typer.Option(help="Only this reason, such as invalid or conflicting_duplicate.")] = None,
    limit: Annotated[int, typer.Option(help="The latest so many.", min=1)] = 30,
    data_dir: DataDir = None,
) -> None:
    """Show how much was refused for which reason, and the latest.

    Example: `rapport quarantine list --reason conflicting_duplicate`
    """
    from services.cli.customer import asking
    from services.cli.quarantine_view import listed
    from services.cli.running_stack import settings_of_running_stack
    from services.cli.screen import out

    with asking(settings_of_running_stack(arguments(data_dir))) as queries:
        out.print(listed(queries.quarantine_by_reason(), queries.quarantine(limit, reason)))


@quarantine.command()
def show(quarantine_id: Annotated[str, typer.Argument(help="As `rapport quarantine list` shows it.")], data_dir: DataDir = None) -> None:
    """Show one refused input whole: where it came from, what is wrong, and the bytes as they came.

    Example: `rapport quarantine show touchpoints:2:1871`
    """
    from services.cli.customer import asking
    from services.cli.errors import CommandFailed
    from services.cli.quarantine_view import whole
    from services.cli.running_stack import settings_of_running_stack
    from services.cli.screen import out

    with asking(settings_of_running_stack(arguments(data_dir))) as queries:
        found = queries.quarantined(quarantine_id)
    if found is None:
        raise CommandFailed(f"nothing in quarantine is called {quarantine_id}", "`rapport quarantine list` shows the latest")
    out.print(whole(found))
