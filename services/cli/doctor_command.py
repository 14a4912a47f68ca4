"""``doctor``: what Rapport depends on, whether it is there, and what to do if not."""

import typer

from services.cli.options import DataDir, arguments


def add_to(app: typer.Typer) -> None:
    app.command(rich_help_panel="Setting up")(doctor)


def doctor(data_dir: DataDir = None) -> None:
    """Look at each dependency: its version, whether it can be reached, and the remedy if something is wrong.

    Leaves with 1 if something that is needed is missing.

    Example: `rapport doctor`
    """
    from services.cli.doctor import findings
    from services.cli.doctor_view import table
    from services.cli.running_stack import settings_of_running_stack
    from services.cli.screen import out

    found = findings(settings_of_running_stack(arguments(data_dir)))
    out.print(table(found))
    raise typer.Exit(1 if any(finding.verdict == "wrong" for finding in found) else 0)
