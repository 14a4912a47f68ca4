"""The resident memory of every process while a scenario plays: sampled, drawn, and judged flat or not."""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Protocol

import psutil

SAMPLE_SECONDS = 0.5
WIDTH = 60
BARS = "▁▂▃▄▅▆▇█"


@dataclass
class MemoryCurves:
    """``megabytes``: process → one figure a sample, 0 while it is away. ``window``: the samples while something was stopped."""

    megabytes: dict[str, list[int]] = field(default_factory=dict)
    window: tuple[int, int] = (0, 0)
    samples: int = 0

    def take(self, pids: Mapping[str, int]) -> None:
        for name in pids:
            self.megabytes.setdefault(name, [0] * self.samples)
        for name, figures in self.megabytes.items():
            figures.append(resident_mb(pids[name]) if name in pids else 0)
        self.samples += 1

    def growth(self, name: str) -> int:
        """MB by which the last third of the window is above its first, by their medians; a process started anew in it counts from there."""
        seen = [figure for figure in self.megabytes[name][slice(*self.window)] if figure]
        third = max(1, len(seen) // 3)
        return round(median(seen[-third:]) - median(seen[:third])) if seen else 0

    def drawn(self) -> Iterator[str]:
        """A line a process, each from 0 to its highest, and one that shows the window."""
        widest = max(map(len, self.megabytes), default=0)
        for name, figures in self.megabytes.items():
            least = min(filter(None, figures), default=0)
            yield f"{name:{widest}}  {sparkline(figures)}  {least} to {max(figures)} MB"
        if self.samples:
            first, last = (min(WIDTH, self.samples) * at // self.samples for at in self.window)
            yield f"{'':{widest}}  {' ' * first}└{'─' * max(0, last - first - 2)}┘ stopped"


def sparkline(figures: Sequence[int], width: int = WIDTH) -> str:
    """At most so many bars, each the median of its part; the highest is full, an empty one is zero."""
    bars = min(width, len(figures))
    parts = [figures[len(figures) * i // bars : len(figures) * (i + 1) // bars] for i in range(bars)]
    top = max(figures, default=0) or 1
    return "".join(BARS[min(len(BARS) - 1, int(median(part) * len(BARS) / top))] if median(part) else " " for part in parts)


def resident_mb(pid: int) -> int:
    """0 where there is no such process."""
    try:
        return int(psutil.Process(pid).memory_info().rss) >> 20
    except psutil.NoSuchProcess:
        return 0


class HasProcesses(Protocol):
    """What is watched."""

    def pids(self) -> Mapping[str, int]:
        """By name, as they are at the moment."""


@contextmanager
def watched(stack: HasProcesses) -> Iterator[MemoryCurves]:
    """Samples until it is left."""
    curves, left = MemoryCurves(), threading.Event()

    def sample() -> None:
        due = time.monotonic()
        while not left.wait(max(0.0, due - time.monotonic())):
            curves.take(stack.pids())
            due += SAMPLE_SECONDS

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield curves
    finally:
        left.set()
        thread.join()
