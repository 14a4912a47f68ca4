"""What processes use while something is measured: processor time, and the most memory they held."""

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, NamedTuple, Protocol

import psutil

SAMPLE_EVERY_S = 0.2


@dataclass(frozen=True)
class Spent:
    """One process's part. ``cpu_us``: processor microseconds an event; ``peak_mb``: the most resident memory that was seen."""

    process: str
    cpu_us: float
    peak_mb: int


class Measured(Protocol):
    """A process, or several as one."""

    def cpu_times(self) -> Any: ...
    def memory_info(self) -> Any: ...


class Together:
    """Several processes as one, and with ``children`` those that they started or start: PostgreSQL has one for each connection.

    Memory that they share counts once for each.
    """

    def __init__(self, processes: Iterable[psutil.Process], children: bool = False) -> None:
        self._processes, self._children = list(processes), children

    def cpu_times(self) -> "Time":
        """``children`` that ended are in their parent's times."""
        times = [one.cpu_times() for one in self._processes]
        ended = [(spent.children_user, spent.children_system) for spent in times] if self._children else []
        each = [*((spent.user, spent.system) for spent in (*times, *self._of_children("cpu_times"))), *ended]
        return Time(sum(user for user, _ in each), sum(system for _, system in each))

    def memory_info(self) -> "Memory":
        found = (one.memory_info() for one in self._processes)
        return Memory(sum(one.rss for one in (*found, *self._of_children("memory_info"))))

    def _of_children(self, what: str) -> Iterator[Any]:
        for child in [child for one in self._processes if self._children for child in one.children()]:
            with suppress(psutil.NoSuchProcess):
                yield getattr(child, what)()


class Time(NamedTuple):
    """Seconds."""

    user: float
    system: float


class Memory(NamedTuple):
    """Bytes."""

    rss: int


class Watch:
    """Adds up from its entry on. Memory is sampled five times a second, since no system but Linux keeps the peak."""

    def __init__(self, processes: Mapping[str, Measured]) -> None:
        self._processes = dict(processes)
        self._ended = threading.Event()
        self._sampler = threading.Thread(target=self._sample, daemon=True)
        self._peaks = dict.fromkeys(self._processes, 0)

    def __enter__(self) -> "Watch":
        self._before = self.cpu_seconds()
        self._look()
        self._sampler.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._ended.set()
        self._sampler.join()

    def cpu_seconds(self) -> dict[str, float]:
        """Of each process since it started."""
        times = {name: process.cpu_times() for name, process in self._processes.items()}
        return {name: spent.user + spent.system for name, spent in times.items()}

    def spent(self, events: int, until: Mapping[str, float] | None = None) -> list[Spent]:
        """For each of so many events, up to now or to an earlier reading of ``cpu_seconds``."""
        now = until or self.cpu_seconds()
        each = {name: round((now[name] - before) / max(1, events) * 1e6, 1) for name, before in self._before.items()}
        return [Spent(name, cpu, self._peaks[name]) for name, cpu in each.items()]

    def _look(self) -> None:
        for name, process in self._processes.items():
            self._peaks[name] = max(self._peaks[name], process.memory_info().rss >> 20)

    def _sample(self) -> None:
        while not self._ended.wait(SAMPLE_EVERY_S):
            try:
                self._look()
            except psutil.NoSuchProcess:
                return
