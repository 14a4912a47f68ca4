"""The board of a stack on the terminal: a table that follows it, or a line for each change where there is no terminal."""

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from services.cli.board import Board, Line
from services.cli.screen import ago

COLOURS = {
    "running": "green",
    "done": "green",
    "unwell": "yellow",
    "backing off": "red",
    "starting": "cyan",
    "waiting": "dim",
    "stopping": "yellow",
    "stopped": "dim",
}


def picture(board: Board) -> RenderableType:
    """The whole board."""
    if board.phase == "preparing" and board.total:
        share = f"{board.done / 1e6:.0f} of {board.total / 1e6:.0f} MB"
        return Group(Text(f"{board.note} ({share})"), ProgressBar(total=board.total, completed=board.done, width=60))
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("", "state", "since", "restarts"):
        table.add_column(heading, no_wrap=True)
    table.add_column("where", overflow="fold")
    for line in board.lines:
        table.add_row(*_cells(line))
    troubles = [Text(f"{line.name}: {line.note} (log: {line.log})", "yellow") for line in board.lines if line.note]
    return Group(table, *troubles)


def _cells(line: Line) -> tuple[Text | str, ...]:
    return (
        line.name,
        Text(line.state, COLOURS[line.state]),
        ago(line.since),
        str(line.restarts or ""),
        line.address,
    )


class Follower:
    """Shows a board as it changes. Use it in a ``with``."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, refresh_per_second=4, transient=False) if console.is_terminal else None
        self._said: dict[str, str] = {}

    def __enter__(self) -> "Follower":
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def show(self, board: Board) -> None:
        if self._live:
            self._live.update(picture(board))
            return
        self._say("stack", f"{board.phase}{': ' + board.note if board.phase == 'failed' else ''}")
        for line in board.lines:
            self._say(line.name, f"{line.state}{' (' + line.note + ')' if line.note else ''}")

    def _say(self, name: str, text: str) -> None:
        if self._said.get(name) != text:
            self._said[name] = text
            self._console.print(f"{name}: {text}", soft_wrap=True)
