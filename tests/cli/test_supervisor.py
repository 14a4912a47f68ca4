"""A stack's programs start when what they need is well, come back when they end, and stop in order."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from services.cli.background import wait_until_ready
from services.cli.board import Board, Line, board_file, read, write
from services.cli.errors import CommandFailed
from services.cli.processes_of_ours import created_at, end, is_alive
from services.cli.programs import Program
from services.cli.restarts import LONGEST_PAUSE, STEADY_AFTER, Restarts
from services.cli.supervisor import Supervisor
from services.runtime.settings import Settings
from services.runtime.stage_process import STORE_LOST

SLEEPS = [sys.executable, "-c", "import time; time.sleep(600)"]


def until(condition: Callable[[], bool], turn: Callable[[], None], limit_s: float = 20.0) -> None:
    """Takes turns until the condition holds."""
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that in time"
        turn()
        time.sleep(0.01)


class Stack:
    """A supervisor of small programs, whose health the test decides."""

    def __init__(self, folder: Path, *programs: Program) -> None:
        self.board = Board(os.getpid(), created_at(os.getpid()), phase="starting")
        self.supervisor = Supervisor(programs, self.board)
        self.folder = folder

    def line(self, name: str) -> Line:
        found = self.board.line(name)
        assert found
        return found

    def until(self, name: str, state: str) -> Line:
        until(lambda: self.line(name).state == state, self.supervisor.turn)
        return self.line(name)


@pytest.fixture
def stacks(tmp_path: Path) -> Iterator[Callable[..., Stack]]:
    made: list[Stack] = []

    def make(*programs: Program) -> Stack:
        made.append(Stack(tmp_path, *programs))
        return made[-1]

    yield make
    for stack in made:
        stack.supervisor.stop(lambda: None)


def program(
    folder: Path, name: str, argv: list[str] = SLEEPS, *needs: str, well: Callable[[], str | None] = lambda: None, **more: int
) -> Program:
    return Program(name, argv, folder / f"{name}.log", well, needs=needs, **more)  # type: ignore[arg-type]


def test_a_program_waits_for_what_it_needs(tmp_path: Path, stacks: Callable[..., Stack]) -> None:
    ill: list[str | None] = ["still starting"]
    stack = stacks(program(tmp_path, "log", well=lambda: ill[0]), program(tmp_path, "reader", SLEEPS, "log"))
    stack.until("log", "starting")
    for _ in range(20):
        stack.supervisor.turn()
    assert stack.line("reader").state == "waiting"
    ill[0] = None
    stack.until("reader", "running")
    assert stack.board.phase == "ready"


def test_a_program_that_is_killed_comes_back_and_is_counted(tmp_path: Path, stacks: Callable[..., Stack]) -> None:
    stack = stacks(program(tmp_path, "reader"))
    first = stack.until("reader", "running").pid
    assert first
    os.kill(first, 9)
    stack.until("reader", "backing off")
    line = stack.until("reader", "running")
    assert line.pid != first
    assert line.restarts == 1


def test_why_a_program_ended_is_on_the_board(tmp_path: Path, stacks: Callable[..., Stack]) -> None:
    stack = stacks(program(tmp_path, "reader", [sys.executable, "-c", "print('port 80 is taken'); raise SystemExit(3)"]))
    assert stack.until("reader", "backing off").note == "ended with status 3: port 80 is taken"


def test_a_service_that_ended_for_what_must_be_mended_first_says_so_until_it_runs_again(
    tmp_path: Path, stacks: Callable[..., Stack]
) -> None:
    # given
    mended = tmp_path / "mended"
    until_mended = f"import pathlib, time; pathlib.Path({str(mended)!r}).exists() or exit({STORE_LOST}); time.sleep(600)"
    stack = stacks(program(tmp_path, "profile", [sys.executable, "-c", until_mended]), program(tmp_path, "other"))
    assert stack.until("profile", "backing off").needs_help
    assert not stack.until("other", "running").needs_help

    # when
    mended.touch()

    # then
    assert not stack.until("profile", "running").needs_help


def test_whoever_waits_for_a_stack_is_told_at_once_of_a_service_that_cannot_run(tmp_path: Path) -> None:
    lost = Line("profile", "backing off", needs_help=True, note="ended with status 3: profile.sqlite is gone")
    process = subprocess.Popen(SLEEPS)
    write(Board(process.pid, created_at(process.pid), phase="starting", lines=[lost]), board_file(tmp_path))
    try:
        with pytest.raises(CommandFailed, match=r"profile does not run: .*profile.sqlite is gone"):
            wait_until_ready(process, Settings(data_dir=tmp_path), lambda _: None, "up.log")
    finally:
        process.kill()
        process.wait()


def test_a_preparation_is_done_once_and_then_lets_others_start(tmp_path: Path, stacks: Callable[..., Stack]) -> None:
    preparation = Program("topics", [sys.executable, "-c", ""], tmp_path / "topics.log", lambda: None, preparation=True)
    stack = stacks(preparation, program(tmp_path, "reader", SLEEPS, "topics"))
    stack.until("topics", "done")
    stack.until("reader", "running")
    assert stack.line("topics").restarts == 0


def test_a_preparation_that_can_never_succeed_fails_the_stack_with_its_reason(tmp_path: Path, stacks: Callable[..., Stack]) -> None:
    says = [sys.executable, "-c", "print('0001.sql was changed'); raise SystemExit(78)"]
    preparation = Program("tables", says, tmp_path / "tables.log", lambda: None, preparation=True)
    stack = stacks(preparation, program(tmp_path, "reader", SLEEPS, "tables"))
    until(lambda: stack.board.phase == "failed", stack.supervisor.turn)
    assert stack.board.note == "tables: 0001.sql was changed"
    assert stack.line("reader").state == "waiting"


def test_a_program_that_says_it_is_unwell_shows_why_and_recovers(tmp_path: Path, stacks: Callable[..., Stack]) -> None:
    ill: list[str | None] = [None]
    stack = stacks(program(tmp_path, "reader", well=lambda: ill[0]))
    stack.until("reader", "running")
    ill[0] = "Kafka is away"
    assert stack.until("reader", "unwell").note == "Kafka is away"
    ill[0] = None
    stack.until("reader", "running")


def test_services_stop_before_the_engines_they_need(tmp_path: Path, stacks: Callable[..., Stack]) -> None:
    says_when = (
        "import signal, sys, time\n"
        "signal.signal(15, lambda *_: (open({!r}, 'a').write({!r}), sys.exit()))\n"
        "print('up', flush=True); time.sleep(600)"
    )
    order = tmp_path / "order"

    def noting(name: str, turn: int) -> Program:
        log = tmp_path / f"{name}.log"
        argv = [sys.executable, "-c", says_when.format(str(order), f"{name} ")]
        return Program(name, argv, log, lambda: None if log.exists() and log.read_text() else "starting", stop_turn=turn)

    stack = stacks(noting("kafka", 3), noting("clickhouse", 2), noting("profile", 1))
    until(lambda: stack.board.phase == "ready", stack.supervisor.turn)
    stack.supervisor.stop(lambda: None)
    assert order.read_text() == "profile clickhouse kafka "
    assert {line.state for line in stack.board.lines} == {"stopped"}


def test_a_program_that_does_not_stop_is_killed_after_its_limit(tmp_path: Path, stacks: Callable[..., Stack]) -> None:
    stubborn = [sys.executable, "-c", "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"]
    log = tmp_path / "stubborn.log"
    stack = stacks(Program("stubborn", stubborn, log, lambda: None if log.read_text() else "starting", stop_within=0.2))
    pid = stack.until("stubborn", "running").pid
    assert pid
    stack.supervisor.stop(lambda: None)
    assert created_at(pid) == 0


def test_pauses_between_restarts_double_up_to_a_limit_and_are_forgotten_after_a_steady_minute() -> None:
    restarts, pauses = Restarts(), []
    for _ in range(9):
        restarts = restarts.after_end(100.0, ran_for=1.0)
        pauses.append(restarts.not_before - 100.0)
    assert pauses == [0.5, 1, 2, 4, 8, 16, LONGEST_PAUSE, LONGEST_PAUSE, LONGEST_PAUSE]
    assert restarts.after_end(100.0, ran_for=STEADY_AFTER).not_before == 100.5


def test_a_board_is_read_as_it_was_written(tmp_path: Path) -> None:
    written = Board(7, 1.5, "ready", "", 1, 2, {"kafka": {"port": 9}}, [Line("kafka", "running", 8, 2.5, address="here")])
    write(written, board_file(tmp_path))
    assert read(board_file(tmp_path)) == written
    assert read(board_file(tmp_path / "elsewhere")) is None


def test_only_the_very_process_that_was_started_is_ended(tmp_path: Path, stacks: Callable[..., Stack]) -> None:
    stack = stacks(program(tmp_path, "reader"))
    line = stack.until("reader", "running")
    assert line.pid
    assert line.created
    end([(line.pid, line.created - 100.0)])
    assert is_alive(line.pid, line.created)
    end([(line.pid, line.created)])
    assert not is_alive(line.pid, line.created)
