"""Sending with a progress bar, and what came of it in words."""

import time
from collections.abc import Iterable

from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn

from services.cli.screen import err, out
from services.cli.sending import Sent, send


def send_with_progress(
    what: str, lines: Iterable[bytes], door: str, write_key: str, total_bytes: int | None = None, show_rejected: bool = True
) -> Sent:
    """Shows progress on a terminal, and the sums at the end. Raises as ``send`` does."""
    sent, started = Sent(), time.monotonic()
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True) as progress:
        task = progress.add_task(what, total=total_bytes)
        for sent in send(lines, door, write_key):
            progress.update(task, completed=sent.bytes, description=f"{what}: {sent.accepted:,} accepted, {sent.rejected:,} rejected")
    _say_sums(what, sent, time.monotonic() - started)
    if show_rejected:
        _say_rejected(sent)
    return sent


def _say_sums(what: str, sent: Sent, seconds: float) -> None:
    taken = sent.accepted + sent.duplicates + sent.rejected
    rate = f"{taken / seconds:,.0f} a second" if seconds > 1 else f"{seconds:.1f} s"
    told = f"{what}: {sent.accepted:,} accepted, {sent.duplicates:,} twice in one request, {sent.rejected:,} rejected ({rate})"
    out.print(told, soft_wrap=True)


def _say_rejected(sent: Sent) -> None:
    for rejected in sent.examples:
        out.print(f"  line {rejected.line}: {rejected.reason} at {escape(rejected.path)}: {escape(rejected.detail)}", soft_wrap=True)
    if sent.rejected > len(sent.examples):
        out.print(f"  … and {sent.rejected - len(sent.examples):,} more; `rapport quarantine list` shows all that is kept", soft_wrap=True)
