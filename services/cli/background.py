"""Starts a stack in a process of its own, waits until it is ready, and stops it again, from any terminal."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from services.cli import board as boards
from services.cli.board import Board
from services.cli.errors import CommandFailed
from services.cli.processes_of_ours import end, is_alive
from services.cli.running_stack import make_data_dir, running_board
from services.embedded.processes import launch
from services.runtime.configuration import environment_with, load
from services.runtime.settings import Settings

LOOK_SECONDS = 0.1
READY_WITHIN = 180.0
"""After the download; a start takes seconds, but the machine may be busy."""


def start(arguments: Mapping[str, Any], show: Callable[[Board], None]) -> Settings:
    """Returns when every program is well. Raises CommandFailed with what its log says last, where one runs already, or where a service
    cannot run before somebody has mended something; the others then go on."""
    settings = load(arguments)
    if running_board(settings):
        remedy = "`rapport status` shows it, `rapport down` stops it; --data-dir and the port options start another one beside it"
        raise CommandFailed(f"a stack is up already in {settings.data_dir}", remedy)
    make_data_dir(settings)
    log = settings.data_dir / "logs" / "up.log"
    command = [sys.executable, "-P", "-m", "services.cli", "up"]
    process = launch(command, log, environment_with(arguments))
    wait_until_ready(process, settings, show, str(log))
    return settings


def wait_until_ready(process: subprocess.Popen[bytes], settings: Settings, show: Callable[[Board], None], log: str) -> None:
    """``process``: the supervisor. Raises as ``start`` does."""
    deadline = time.monotonic() + READY_WITHIN
    while time.monotonic() < deadline:
        board = boards.read(boards.board_file(settings.data_dir))
        if board and board.pid == process.pid:
            show(board)
            if board.phase == "ready":
                return
            if stopped := next((line for line in board.lines if line.needs_help), None):
                remedy = "the rest goes on, `rapport status` shows it; once this is mended it is started by itself"
                raise CommandFailed(f"{stopped.name} does not run: {stopped.note}", remedy)
            if board.phase == "preparing":
                deadline = time.monotonic() + READY_WITHIN
        if process.poll() is not None:
            why = board.note if board and board.pid == process.pid and board.note else f"it ended with status {process.returncode}"
            raise CommandFailed(f"the stack did not start: {why}", f"its log: {log}")
        time.sleep(LOOK_SECONDS)
    raise CommandFailed(f"the stack was not ready after {READY_WITHIN:.0f} s", f"`rapport status` shows what is missing; its log: {log}")


def stop(settings: Settings, show: Callable[[Board], None], limit_s: float = 60.0) -> bool:
    """Stops the stack of this directory, and what a killed supervisor left behind. False: nothing ran here."""
    board = boards.read(boards.board_file(settings.data_dir))
    if board is None:
        return False
    alive = is_alive(board.pid, board.created)
    if alive:
        _ask(board)
        _wait_until_gone(board, settings, show, limit_s)
    left = [(line.pid, line.created) for line in board.lines if is_alive(line.pid, line.created)]
    end(left)
    return alive or bool(left)


def _ask(board: Board) -> None:

    os.kill(board.pid, signal.SIGTERM)


def _wait_until_gone(board: Board, settings: Settings, show: Callable[[Board], None], limit_s: float) -> None:
    deadline = time.monotonic() + limit_s
    while is_alive(board.pid, board.created):
        if time.monotonic() > deadline:
            raise CommandFailed(f"the stack (process {board.pid}) did not stop within {limit_s:.0f} s", f"kill -9 {board.pid}, then again")
        if latest := boards.read(boards.board_file(settings.data_dir)):
            show(latest)
        time.sleep(LOOK_SECONDS)
