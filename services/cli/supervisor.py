"""Runs the programs of a stack: starts each once what it needs is well, restarts what ends, stops all in order."""

import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from services.cli.board import Board, Line, State
from services.cli.processes_of_ours import created_at
from services.cli.programs import HOPELESS, Program
from services.cli.restarts import Restarts
from services.embedded.processes import launch
from services.runtime.stage_process import STORE_LOST

LOOK_AT_STARTING, LOOK_AT_RUNNING = 0.1, 1.0
"""Seconds between two looks at a program's health."""


class Child:
    """One program under supervision. Its ``line`` on the board always says how it is; ``hopeless``: why no retry can help."""

    def __init__(self, program: Program, clock: Callable[[], float] = time.monotonic) -> None:
        self.program = program
        self.line = Line(program.name, address=program.address, log=str(program.log), since=time.time())
        self._clock = clock
        self._process: subprocess.Popen[bytes] | None = None
        self._restarts = Restarts()
        self._began = self._look_at = 0.0
        self.hopeless = ""

    @property
    def is_ready(self) -> bool:
        """Whether what needs this one may start."""
        return self.line.state in ("done", "running")

    def turn(self, ready: set[str]) -> None:
        """Looks at the program and does what is due; returns soon."""
        now = self._clock()
        if self._process is None:
            if self.line.state != "done" and now >= self._restarts.not_before and ready.issuperset(self.program.needs):
                self._start(now)
        elif (code := self._process.poll()) is not None:
            self._ended(code, now)
        elif now >= self._look_at:
            self._look(now)

    def ask_to_stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._become("stopping")

    def stop(self) -> None:
        """Waits until the program is gone, and kills it after its limit."""
        if self._process is not None:
            try:
                self._process.wait(self.program.stop_within)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self.line.pid = None
        self._become("stopped")

    def _start(self, now: float) -> None:
        self._process = launch(self.program.argv, self.program.log, self.program.environment)
        self._began = now
        self._look_at = now + LOOK_AT_STARTING
        self.line.pid, self.line.created = self._process.pid, created_at(self._process.pid)
        self._become("starting")

    def _ended(self, code: int, now: float) -> None:
        self._process, self.line.pid = None, None
        if self.program.preparation and code == 0:
            self._become("done")
            return
        if self.program.preparation and code == HOPELESS:
            self.hopeless = f"{self.program.name}: {_last_words(self.program.log)}"
        self._restarts = self._restarts.after_end(now, now - self._began)
        self.line.restarts = self._restarts.in_all
        self.line.needs_help = code == STORE_LOST and not self.program.preparation
        self._become("backing off", f"ended with status {code}: {_last_words(self.program.log)}")

    def _look(self, now: float) -> None:
        problem = None if self.program.preparation else self.program.health()
        was_well = self.line.state in ("running", "unwell")
        self._look_at = now + (LOOK_AT_RUNNING if was_well else LOOK_AT_STARTING)
        if self.program.preparation:
            return
        if problem is None:
            self._become("running")
            self.line.needs_help = False
        elif was_well:
            self._become("unwell", problem)

    def _become(self, state: State, note: str = "") -> None:
        if state != self.line.state:
            self.line.since = time.time()
        self.line.state, self.line.note = state, note


class Supervisor:
    """The programs of one stack, and the board that shows them."""

    def __init__(self, programs: Sequence[Program], board: Board) -> None:
        self._children = [Child(program) for program in programs]
        self.board = board
        board.lines = [child.line for child in self._children]

    def turn(self) -> None:
        """One round; returns soon. The stack is ready when every program was well once."""
        ready = {child.program.name for child in self._children if child.is_ready}
        for child in self._children:
            child.turn(ready)
        if self.board.phase == "starting" and all(child.is_ready for child in self._children):
            self.board.phase = "ready"
        if hopeless := next((child.hopeless for child in self._children if child.hopeless), ""):
            self.board.phase, self.board.note = "failed", hopeless

    def stop(self, on_change: Callable[[], None]) -> None:
        """Stops the programs, those of an earlier turn first; of one turn all at once."""
        failed = self.board.phase == "failed"
        self.board.phase = "stopping"
        for turn in sorted({child.program.stop_turn for child in self._children}):
            together = [child for child in self._children if child.program.stop_turn == turn]
            for child in together:
                child.ask_to_stop()
            on_change()
            for child in together:
                child.stop()
                on_change()
        self.board.phase = "failed" if failed else "stopped"


def _last_words(log: Path, longest: int = 200) -> str:
    """The last line that a program wrote, which mostly says why it ended."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 4096))
        lines = [line.strip() for line in file.read().decode("utf-8", "replace").splitlines() if line.strip()]
    return lines[-1][:longest] if lines else "it said nothing"
