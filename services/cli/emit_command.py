"""``emit``: touchpoints from a file or a pipe, through the same door as every channel's."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from services.cli.options import DataDir, arguments

SOME_REJECTED = 2


def add_to(app: typer.Typer) -> None:
    app.command(rich_help_panel="Data in, answers out")(emit)


def emit(
    file: Annotated[str, typer.Argument(help="File with one touchpoint (JSON) a line; - reads standard input.", metavar="FILE|-")],
    url: Annotated[str | None, typer.Option(help="Ingest elsewhere, such as https://ingest.example.com.")] = None,
    key: Annotated[str | None, typer.Option(help="Write key. [default: one of this data directory's own]")] = None,
    data_dir: DataDir = None,
) -> None:
    """Send touchpoints, one JSON object a line, and say what was accepted, what was a duplicate and what was rejected, and why.

    Accepted means safe in Kafka. Sending a file again changes nothing. Leaves with 2 if something was rejected: that is in quarantine.

    Examples:

    - `rapport emit touchpoints.ndjson`
    - `echo '{"event_id": "v-1", "type": "visit", "occurred_at": "2026-01-31T12:00:00Z", "source": "web", "identifiers":
      [{"type": "email", "value": "ada@example.com"}], "payload": {"place": "page", "name": "/"}}' | rapport emit -`
    """
    from services.cli.own_keys import own_write_key
    from services.cli.running_stack import settings_of_running_stack
    from services.cli.sending import require_door
    from services.cli.sending_view import send_with_progress

    settings = settings_of_running_stack(arguments(data_dir))
    door = url or f"http://{settings.ingest.host}:{settings.ingest.port}"
    require_door(door)
    total = Path(file).stat().st_size if file != "-" and Path(file).is_file() else None
    sent = send_with_progress("sending", _lines(file), door, key or own_write_key(settings.data_dir), total)
    if sent.rejected:
        raise typer.Exit(SOME_REJECTED)


def _lines(file: str) -> Iterator[bytes]:
    from services.cli.errors import CommandFailed

    if file == "-":
        yield from sys.stdin.buffer
        return
    try:
        with Path(file).open("rb") as lines:
            yield from lines
    except OSError as error:
        raise CommandFailed(
            f"{file} cannot be read: {error.strerror}", "give a file with one JSON object a line, or - for standard input"
        ) from error
