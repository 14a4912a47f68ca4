"""``keys``: who may send touchpoints."""

from typing import Annotated

import typer

from services.cli.options import DataDir, arguments

keys = typer.Typer(name="keys", help="Write keys: who may send touchpoints.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    app.add_typer(keys, rich_help_panel="Setting up")


@keys.command()
def create(
    name: Annotated[str, typer.Argument(help="What to call it, such as the channel that gets it.")],
    source: Annotated[str | None, typer.Option(help="The source of what it sends through Segment's calls. [default: the name]")] = None,
    data_dir: DataDir = None,
) -> None:
    """Make a write key. It is shown once: only its hash is kept.

    Example: `rapport keys create shop-berlin`
    """
    from services.cli.errors import CommandFailed
    from services.ingest.write_keys import write_keys_of
    from services.runtime.configuration import load

    try:
        typer.echo(write_keys_of(load(arguments(data_dir)).data_dir).create(name, source))
    except ValueError as wrong:
        raise CommandFailed(str(wrong)) from wrong
    typer.echo("Shown once: keep it. Channels send it as `Authorization: Bearer KEY`.", err=True)


@keys.command("list")
def list_keys(data_dir: DataDir = None) -> None:
    """Show all keys by their ids, revoked ones too. The keys themselves are not kept anywhere."""
    from rich.table import Table

    from services.cli.screen import out
    from services.ingest.write_keys import write_keys_of
    from services.runtime.configuration import load

    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("id", "name", "source", "created", "revoked"):
        table.add_column(heading)
    for key in write_keys_of(load(arguments(data_dir)).data_dir).listed():
        table.add_row(key.id, key.name, key.source, key.created_at[:19], (key.revoked_at or "")[:19], style="dim" if key.revoked_at else "")
    out.print(table if table.row_count else "No keys yet: `rapport keys create NAME` makes one.")


@keys.command()
def revoke(id_or_name: Annotated[str, typer.Argument(help="As `rapport keys list` shows it.")], data_dir: DataDir = None) -> None:
    """End a key. Ingest refuses it a second later.

    Example: `rapport keys revoke shop-berlin`
    """
    from services.cli.errors import CommandFailed
    from services.ingest.write_keys import UnknownWriteKey, write_keys_of
    from services.runtime.configuration import load

    try:
        ended = write_keys_of(load(arguments(data_dir)).data_dir).revoke(id_or_name)
    except UnknownWriteKey as unknown:
        raise CommandFailed(str(unknown), "`rapport keys list` shows all") from unknown
    typer.echo(f"Revoked {', '.join(f'{key.name} ({key.id})' for key in ended)}.")
