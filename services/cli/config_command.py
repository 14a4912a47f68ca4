"""``config``: what is configured, and where each value comes from."""

from typing import Annotated

import typer

from services.cli.options import DataDir, arguments


def add_to(app: typer.Typer) -> None:
    app.command(rich_help_panel="Setting up")(config)


def config(
    data_dir: DataDir = None,
    changed: Annotated[bool, typer.Option("--changed", help="Only what is not the default.")] = False,
    toml: Annotated[bool, typer.Option("--toml", help="As a TOML file to start from (secrets left out).")] = False,
) -> None:
    """Show every setting in effect, and where it came from: argument, variable, file or default. Secrets are masked.

    `RAPPORT_KAFKA_BOOTSTRAP=host:9092` and, in `rapport.toml`, `[kafka] bootstrap = "host:9092"` say the same; the variable wins.
    `RAPPORT_CONFIG` names another file.

    Examples:

    - `rapport config --changed`
    - `rapport config --toml > rapport.toml`
    """
    from services.cli import config_view
    from services.cli.screen import out
    from services.runtime.configuration import origins

    found = [origin for origin in origins(arguments(data_dir)) if not changed or origin.came_from != "default"]
    if toml:
        typer.echo(config_view.as_toml(found), nl=False)
    else:
        out.print(config_view.table(found))
