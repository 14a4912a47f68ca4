"""Runs a stack in this process until SIGINT, SIGTERM or SIGHUP: one stack a data directory."""

import os
import signal
import time
from collections.abc import Callable, Mapping
from typing import Any

from services.cli import board as boards
from services.cli.board import Board
from services.cli.errors import CommandFailed
from services.cli.processes_of_ours import created_at, end
from services.cli.running_stack import make_data_dir
from services.cli.stack_programs import metrics_ports, ports_in_use, prepare_engines, programs, require_free_ports
from services.cli.supervisor import Supervisor
from services.embedded.errors import DirectoryInUse
from services.embedded.stack import lock
from services.runtime.configuration import load
from services.runtime.settings import Settings

Show = Callable[[Board], None]
"""Called at every change, and a few times a second."""

TURN_SECONDS = 0.05
TELL_SECONDS = 0.2
"""Others read the board this much later at most."""


class Run:
    """One run of a stack: the board is written whenever it changes, so that other terminals see it."""

    def __init__(self, settings: Settings, arguments: Mapping[str, Any], show: Show) -> None:
        self._settings, self._arguments, self._show = settings, arguments, show
        self._file = boards.board_file(settings.data_dir)
        self._told_at = 0.0
        self._stopping = False
        own = os.getpid()
        self.board = Board(own, created_at(own), settings=ports_in_use(settings))

    def until_stopped(self) -> int:
        """The exit code: 0 after a clean stop. Raises EmbeddedStackError where it cannot start."""
        self._end_leftovers()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._asked_to_stop)
        try:
            self._tell()
            require_free_ports(self._settings)
            prepare_engines(self._settings, self._progress)
            self._supervise()
        except Exception as error:
            self.board.phase, self.board.note = "failed", str(error)
            self._tell()
            raise
        return 0

    def _supervise(self) -> None:
        self.board.phase, self.board.note, self.board.total = "starting", "", 0
        with metrics_ports() as metrics:
            self._watch(Supervisor(programs(self._settings, self._arguments, metrics), self.board))
        if self.board.has_failed:
            raise CommandFailed(self.board.note, "its log and `rapport doctor` say more")

    def _watch(self, supervisor: Supervisor) -> None:
        try:
            while not self._stopping and not self.board.has_failed:
                supervisor.turn()
                self._tell_sometimes()
                time.sleep(TURN_SECONDS)
        finally:
            supervisor.stop(self._tell)
            self._tell()

    def _asked_to_stop(self, *_: object) -> None:
        self._stopping = True
        if self.board.phase == "preparing":  # its download threads would be waited for; what they have fetched is kept
            self.board.phase = "stopped"
            self._tell()
            os._exit(130)

    def _progress(self, done: int, total: int, what: str) -> None:
        if done < total:
            self.board.done, self.board.total, self.board.note = done, total, f"fetching Kafka: {what}"
            self._tell_sometimes()

    def _tell_sometimes(self) -> None:
        if time.monotonic() >= self._told_at + TELL_SECONDS:
            self._tell()

    def _tell(self) -> None:
        self._told_at = time.monotonic()
        boards.write(self.board, self._file)
        self._show(self.board)

    def _end_leftovers(self) -> None:
        """Programs of a supervisor that was killed: nobody watches them any more."""
        before = boards.read(self._file)
        end((line.pid, line.created) for line in (before.lines if before else []))


def run_up(arguments: Mapping[str, Any], show: Show) -> int:
    """Raises CommandFailed where another stack runs in the directory."""
    settings = load(arguments)
    make_data_dir(settings)
    try:
        with lock(settings.data_dir):
            return Run(settings, arguments, show).until_stopped()
    except DirectoryInUse as taken:
        remedy = "`rapport status` shows it, `rapport down` stops it; --data-dir and the port options start another one beside it"
        raise CommandFailed(f"a stack is up already in {settings.data_dir}", remedy) from taken
