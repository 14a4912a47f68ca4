"""The command ``rapport``: every command, with what it imports imported when it runs, so that --help is there at once."""

import sys
from typing import Annotated

import typer

from services.cli import (
    bench_command,
    chaos_command,
    config_command,
    customer_command,
    demo_command,
    doctor_command,
    emit_command,
    keys_commands,
    quarantine_commands,
    rebuild_command,
    redeem_command,
    service_commands,
    sql_command,
    stack_commands,
    verify_command,
)
from services.cli.errors import CommandFailed, explained

EPILOG = """
First steps:  rapport demo  starts everything and loads a demo;  rapport status  shows how it is;  rapport sql "SELECT …"  asks it.
"""

app = typer.Typer(
    name="rapport",
    help="Rapport: every touchpoint on Kafka, one customer, one loyalty account, every number provable.",
    epilog=EPILOG,
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        from services.cli.version import version

        typer.echo(f"rapport {version()}")
        raise typer.Exit


@app.callback()
def root(
    _: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and leave.")] = False,
) -> None:
    """Options of every command."""


for commands in (
    demo_command,
    stack_commands,
    emit_command,
    customer_command,
    redeem_command,
    sql_command,
    quarantine_commands,
    verify_command,
    rebuild_command,
    doctor_command,
    chaos_command,
    bench_command,
    config_command,
    keys_commands,
    service_commands,
):
    commands.add_to(app)


def main() -> None:
    """Runs a command; what a user can act on is shown as a message with its remedy, anything else with its traceback."""
    try:
        app(prog_name="rapport")
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        failed = explained(error)
        if failed is None:
            raise
        _show(failed)
        sys.exit(failed.code)


def _show(failed: CommandFailed) -> None:
    from services.cli.screen import err

    err.print(f"[bold red]rapport:[/] {_plain(str(failed))}", soft_wrap=True)
    if failed.remedy:
        err.print(f"[dim]what to do:[/] {_plain(failed.remedy)}", soft_wrap=True)


def _plain(text: str) -> str:
    from rich.markup import escape

    return escape(text)
