"""``rapport demo``: a stack, the demo's data through the real door, and what the database then says."""

import signal
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn

from services.cli import background, demo_questions, demo_report
from services.cli.board_view import Follower
from services.cli.demo_waiting import wait_until_through
from services.cli.errors import CommandFailed
from services.cli.own_keys import own_write_key
from services.cli.running_stack import running_board, settings_of_running_stack
from services.cli.screen import err, out
from services.cli.sending_view import send_with_progress
from services.demo.story import Story, story
from services.runtime.configuration import load
from services.runtime.settings import Settings

FIGURES_DIFFER = 1


def run_demo(arguments: Mapping[str, Any], leave: bool) -> int:
    """0, or FIGURES_DIFFER when the database answers other figures than were sent. Stops what it started."""
    with ThreadPoolExecutor(1) as aside:
        told = aside.submit(story)
        with _stack(arguments) as (settings, ours):
            write_key = own_write_key(settings.data_dir)
            code = _load_and_report(settings, write_key, told.result())
            out.print(demo_report.where_next(settings, write_key), soft_wrap=True, markup=False)
            if ours and not leave:
                out.print("Rapport stays up. Ctrl-C stops everything; `rapport demo` on the same data changes no figure.")
                _wait_for_ctrl_c()
    return code


def _wait_for_ctrl_c() -> None:
    with suppress(KeyboardInterrupt):
        threading.Event().wait()


@contextmanager
def _stack(arguments: Mapping[str, Any]) -> Iterator[tuple[Settings, bool]]:
    """The stack that runs in the data directory, or one of our own, which is stopped in the end. With whether it is ours."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    if running_board(load(arguments)):
        yield settings_of_running_stack(arguments), False
        return
    try:
        with Follower(out) as follower:
            background.start(arguments, follower.show)
        yield settings_of_running_stack(arguments), True
    finally:
        with Follower(out) as follower:
            background.stop(load(arguments), follower.show)


def _load_and_report(settings: Settings, write_key: str, told: Story) -> int:
    door = f"http://{settings.ingest.host}:{settings.ingest.port}"
    out.print(f"{len(told.lines):,} touchpoints: {_counts(told.by_type)}", soft_wrap=True)
    out.print("Purchases and chats are real (CDNOW, chitchat); all else is simulated from a fixed seed, and says so.", soft_wrap=True)
    _send("touchpoints", told.lines, door, write_key, rejected=0)
    _send("the first 200 purchases once more", told.mistakes.harmless(), door, write_key, rejected=0)
    _send("mistakes made on purpose", told.mistakes.harmful(), door, write_key, rejected=len(told.mistakes.unreadable))
    _wait(settings, len(told.lines))
    found = demo_questions.figures(settings)
    demo_report.show(out, found, demo_questions.tables(settings))
    if found != told.figures:
        err.print(f"[bold red]These figures are wrong.[/] Sent was: {demo_report.headline(told.figures)}", soft_wrap=True)
        return FIGURES_DIFFER
    return 0


def _send(what: str, lines: list[bytes], door: str, write_key: str, rejected: int) -> None:
    """Raises CommandFailed unless exactly ``rejected`` lines are refused at the door."""
    sent = send_with_progress(what, lines, door, write_key, sum(map(len, lines)) + len(lines), show_rejected=rejected == 0)
    if sent.rejected != rejected or sent.accepted + sent.rejected != len(lines):
        wanted = f"{len(lines) - rejected:,} should be accepted and {rejected:,} rejected"
        raise CommandFailed(f"{what}: {wanted}", "this is a fault of Rapport: please report it")


def _counts(by_type: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {kind}" for kind, count in sorted(by_type.items(), key=lambda item: -item[1]))


def _wait(settings: Settings, expected: int) -> None:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True) as progress:
        task = progress.add_task("coming through to ClickHouse", total=expected)

        def tell(shown: int, waiting: int) -> None:
            progress.update(task, completed=min(shown, expected), description=f"coming through to ClickHouse ({waiting:,} messages wait)")

        wait_until_through(settings, expected, tell)
