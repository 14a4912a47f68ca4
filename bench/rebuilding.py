"""How long it takes to build all that is stored again from the log: by the command, on what a stack holds."""

import resource
import sys
import tempfile
import time
from typing import IO

import psutil

from bench.result import Work
from bench.stack import Stack
from bench.usage import SAMPLE_EVERY_S, Spent, Together, Watch


def rebuilt(stack: Stack, touchpoints: int) -> Work:
    """``rapport rebuild``, from its start to its end: read, folded, compared with what is live, switched over. None of the stages may
    run. RuntimeError where it fails, with what it said."""
    with tempfile.TemporaryFile() as said, Watch(stack.backends) as watch:
        began, before = time.perf_counter(), _of_children()
        process = psutil.Popen([sys.executable, "-m", "services.cli", "rebuild"], env=stack.environment(), stdout=said, stderr=said)
        most = _most_memory(process)
        took, cpu = time.perf_counter() - began, _of_children() - before
        if process.returncode:
            raise RuntimeError(f"rapport rebuild ended with {process.returncode}: {_text(said)}")
        mine = Spent("rebuild", round(cpu / touchpoints * 1e6, 1), most >> 20)
        return Work("rebuild", touchpoints, took, [mine, *watch.spent(touchpoints)], f"in {took:.1f} s")


def _most_memory(process: psutil.Popen) -> int:
    """Waits until it has ended. Bytes, of the processes that it starts too."""
    most = 0
    while process.poll() is None:
        most = max(most, Together([process], children=True).memory_info().rss)
        time.sleep(SAMPLE_EVERY_S)
    return most


def _of_children() -> float:
    """Processor seconds of all that this process started and that have ended, and of what those had started."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def _text(said: IO[bytes]) -> str:
    said.seek(0)
    return said.read().decode(errors="replace")
