"""``keys``: who may send touchpoints, and who may spend points."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.options import DataDir, arguments

if TYPE_CHECKING:
    from services.runtime.access_keys import AccessKeys

keys = typer.Typer(name="keys", help="Keys: who may send touchpoints, and who may spend points.", no_args_is_help=True)


class Use(StrEnum):
    """What a key opens. Write keys may stand in web pages, so they never open more."""

    touchpoints = "touchpoints"
    redemptions = "redemptions"


For = Annotated[Use, typer.Option("--for", help="What it opens: touchpoints are sent with it, or points are spent.")]


def add_to(app: typer.Typer) -> None:
    app.add_typer(keys, rich_help_panel="Setting up")


@keys.command()
def create(
    name: Annotated[str, typer.Argument(help="What to call it, such as the channel that gets it.")],
    use: For = Use.touchpoints,
    source: Annotated[str | None, typer.Option(help="The source of what comes with it and names none. [default: the name]")] = None,
    data_dir: DataDir = None,
) -> None:
    """Make a key. It is shown once: only its hash is kept.

    Examples:

    - `rapport keys create shop-berlin`
    - `rapport keys create till-berlin --for redemptions`
    """
    from services.cli.errors import CommandFailed

    try:
        typer.echo(_keys(use, data_dir).create(name, source))
    except ValueError as wrong:
        raise CommandFailed(str(wrong)) from wrong
    typer.echo("Shown once: keep it. It is sent as `Authorization: Bearer KEY`.", err=True)


@keys.command("list")
def list_keys(use: For = Use.touchpoints, data_dir: DataDir = None) -> None:
    """Show all keys by their ids, revoked ones too. The keys themselves are not kept anywhere.

    Example: `rapport keys list --for redemptions`
    """
    from rich.table import Table

    from services.cli.screen import out

    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("id", "name", "source", "created", "revoked"):
        table.add_column(heading)
    for key in _keys(use, data_dir).listed():
        table.add_row(key.id, key.name, key.source, key.created_at[:19], (key.revoked_at or "")[:19], style="dim" if key.revoked_at else "")
    out.print(table if table.row_count else "No keys yet: `rapport keys create NAME` makes one.")


@keys.command()
def revoke(
    id_or_name: Annotated[str, typer.Argument(help="As `rapport keys list` shows it.")],
    use: For = Use.touchpoints,
    data_dir: DataDir = None,
) -> None:
    """End a key. It is refused a second later.

    Example: `rapport keys revoke shop-berlin`
    """
    from services.cli.errors import CommandFailed
    from services.runtime.access_keys import UnknownKey

    try:
        ended = _keys(use, data_dir).revoke(id_or_name)
    except UnknownKey as unknown:
        raise CommandFailed(str(unknown), "`rapport keys list` shows all") from unknown
    typer.echo(f"Revoked {', '.join(f'{key.name} ({key.id})' for key in ended)}.")


def _keys(use: Use, data_dir: Path | None) -> "AccessKeys":
    from services.ingest.write_keys import write_keys_of
    from services.loyalty.redeem_keys import redeem_keys_of
    from services.runtime.configuration import load

    return {Use.touchpoints: write_keys_of, Use.redemptions: redeem_keys_of}[use](load(arguments(data_dir)).data_dir)
