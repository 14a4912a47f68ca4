"""Runs a verification of the stack in a data directory, and shows what came out."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC
from typing import Any

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from services.cli.errors import CommandFailed
from services.cli.running_stack import settings_of_running_stack
from services.cli.screen import err, out
from services.cli.verify_command import DIFFERENT, EQUAL, NOT_CHECKED
from services.cli.verify_view import listed, summary
from services.projections.migrating import TablesGone
from services.proof.progress import Progress as Says
from services.proof.verify import Asked, verify
from services.runtime.clock import SystemClock
from services.runtime.error_words import in_words
from services.runtime.interpreter import tune_interpreter


def run(asked: Asked, arguments: Mapping[str, Any], limit: int, show_values: bool) -> int:
    """The exit code. Raises CommandFailed with code NOT_CHECKED, whatever stood in the way."""
    settings = settings_of_running_stack(arguments)
    tune_interpreter()
    if asked.since is not None and asked.since.tzinfo is None:
        asked = replace(asked, since=asked.since.replace(tzinfo=UTC))
    try:
        with shown_progress() as says:
            report = asyncio.run(verify(settings, asked, SystemClock(), says))
    except TablesGone as gone:
        raise CommandFailed(f"could not be checked: {gone}", code=NOT_CHECKED) from gone
    except Exception as error:
        remedy = "`rapport status` shows the stack, `rapport doctor` looks at what it needs"
        raise CommandFailed(f"could not be checked: {in_words(error)}", remedy, NOT_CHECKED) from error
    out.print(summary(report))
    if report.unequal:
        out.print(listed(report.differences, limit, show_values))
    return DIFFERENT if report.unequal else EQUAL


@contextmanager
def shown_progress() -> Iterator[Says]:
    """Bars on the terminal's error side, one a phase; nothing where that is no terminal."""
    bars: dict[str, TaskID] = {}
    columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[count]}"), TimeElapsedColumn()
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as progress:

        def says(phase: str, done: int, total: int) -> None:
            if phase not in bars:
                bars[phase] = progress.add_task(phase, total=total or None, count="")
            count = f"{done:,} of {total:,}" if total else f"{done:,}" if done else ""
            progress.update(bars[phase], completed=done, total=total or None, count=count)

        yield says
