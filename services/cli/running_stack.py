"""The settings of the stack that runs in a data directory: its ports may differ from what is configured in this terminal."""

from collections.abc import Mapping
from typing import Any

from services.cli import board
from services.cli.board import Board
from services.cli.errors import CommandFailed
from services.cli.processes_of_ours import is_alive
from services.runtime.configuration import load
from services.runtime.settings import Settings


def running_board(settings: Settings) -> Board | None:
    """The board of the stack whose supervisor is alive in this data directory."""
    found = board.read(board.board_file(settings.data_dir))
    return found if found and is_alive(found.pid, found.created) else None


def settings_of_running_stack(arguments: Mapping[str, Any]) -> Settings:
    """How to reach the stack. Without one in the data directory: what is configured, since it may run elsewhere."""
    settings = load(arguments)
    found = running_board(settings)
    return load(_merged(found.settings, arguments)) if found else settings


def make_data_dir(settings: Settings) -> None:
    """Raises CommandFailed where it cannot be."""
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CommandFailed(f"{settings.data_dir} cannot be made: {error.strerror}", "name another directory with --data-dir") from error


def require_running(settings: Settings) -> Board:
    found = running_board(settings)
    if found is None:
        raise CommandFailed(f"no stack runs in {settings.data_dir}", "start one with `rapport up`, or name another with --data-dir")
    return found


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for name, value in above.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(name), Mapping)
        merged[name] = _merged(merged[name], value) if both else value
    return merged
