"""Finds and ends processes that a stack started, and no others: by process id and the moment it was created."""

import contextlib
from collections.abc import Iterable

import psutil

SAME_MOMENT = 0.05


def created_at(pid: int) -> float:
    """When the process began, epoch seconds; 0 if it is gone."""
    try:
        return psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return 0.0


def is_alive(pid: int | None, created: float | None) -> bool:
    """Whether this very process still runs (a zombie does not)."""
    return _found(pid, created) is not None


def end(processes: Iterable[tuple[int | None, float | None]], limit_s: float = 15.0) -> None:
    """Asks those that still run to end, all at once, and kills what is left after the limit."""
    found = [process for pid, created in processes if (process := _found(pid, created))]
    for process in found:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
    _, left = psutil.wait_procs(found, timeout=limit_s)
    for process in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(left, timeout=5)


def _found(pid: int | None, created: float | None) -> psutil.Process | None:
    if pid is None or created is None:
        return None
    try:
        process = psutil.Process(pid)
        same = abs(process.create_time() - created) < SAME_MOMENT
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.NoSuchProcess:
        return None
