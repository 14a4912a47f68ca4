"""``rapport status``: how each program is, what is not processed yet by partition, and how much goes through."""

import time
from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from services.cli.board import Board
from services.cli.board_view import picture
from services.cli.measurements import Measured, measure
from services.cli.running_stack import require_running
from services.cli.screen import out
from services.runtime.configuration import load

NOT_WELL = 3
BETWEEN_LOOKS = 1.0
SERVICES = ("ingest", "profile", "loyalty", "projections")


def show_status(arguments: Mapping[str, Any], watch: bool) -> int:
    """0 if every program is well, else NOT_WELL. Raises CommandFailed where no stack runs."""
    settings = load(arguments)
    before = look(require_running(settings))
    if not watch:
        time.sleep(BETWEEN_LOOKS)
        board = require_running(settings)
        out.print(table(board, before, look(board)))
        return 0 if is_well(board) else NOT_WELL
    with Live(console=out, auto_refresh=False) as live:
        while True:
            time.sleep(BETWEEN_LOOKS)
            board = require_running(settings)
            now = look(board)
            live.update(table(board, before, now), refresh=True)
            before = now


def is_well(board: Board) -> bool:
    return board.phase == "ready" and all(line.state in ("running", "done") for line in board.lines)


def look(board: Board) -> dict[str, tuple[float, Measured]]:
    """Each service's measurements, and when they were taken (seconds of a steady clock)."""
    found = {}
    for line in board.lines:
        if line.name in SERVICES and line.pid and (measured := measure(f"{line.address.split()[0]}/metrics")):
            found[line.name] = (time.monotonic(), measured)
    return found


def table(board: Board, before: Mapping[str, tuple[float, Measured]], now: Mapping[str, tuple[float, Measured]]) -> RenderableType:
    """The board, and under it what goes through each service."""
    flow = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("", "events/s", "waiting"):
        flow.add_column(heading, no_wrap=True)
    flow.add_column("taken in")
    flow.add_column("waiting by partition")
    for name, (at, measured) in now.items():
        rate = per_second(before.get(name), (at, measured))
        flow.add_row(name, f"{rate:,.0f}", f"{sum(measured.lag.values()):,}", _outcomes(measured), _partitions(measured))
    state = Text("all well", "green") if is_well(board) else Text(f"not all well ({board.phase})", "yellow")
    return Group(state, Text(), picture(board), Text(), flow)


def per_second(before: tuple[float, Measured] | None, now: tuple[float, Measured]) -> float:
    """Messages taken in a second between two looks; 0 without an earlier look, or after a restart."""
    if before is None or now[0] <= before[0]:
        return 0.0
    return max(0, now[1].taken_in_all - before[1].taken_in_all) / (now[0] - before[0])


def _outcomes(measured: Measured) -> str:
    return ", ".join(f"{count:,} {outcome}" for outcome, count in sorted(measured.taken.items()) if count) or "0"


def _partitions(measured: Measured) -> str:
    """The lag of partitions 0, 1, 2… of each topic where something waits."""
    topics: dict[str, list[str]] = {}
    for (topic, _), lag in sorted(measured.lag.items()):
        topics.setdefault(topic, []).append(str(lag))
    return "; ".join(f"{topic} {' '.join(lags)}" for topic, lags in topics.items() if set(lags) != {"0"}) or "none"
