"""How often something is written that costs the same however much it is."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SHARE = 0.25
"""Of the time, at most, it is being written: where that takes longer, it is written less often, and more at a time."""


class Rhythm:
    """At once after a pause, then every ``least_seconds``; every ``most_seconds`` at the latest, however long it takes."""

    def __init__(self, least_seconds: float, most_seconds: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._least, self._most, self._monotonic = least_seconds, most_seconds, monotonic
        self._next = float("-inf")

    def is_due(self) -> bool:
        return self._monotonic() >= self._next

    def beat(self) -> "Beat":
        """One that begins now."""
        return Beat(self, self._monotonic)

    def ended(self, began: float, took: float) -> None:
        """A beat that began then took so many seconds."""
        self._next = began + min(max(self._least, took / SHARE), self._most)


class Beat:
    """All that is written at one beat, in one part or several. One that is never ended does not count."""

    def __init__(self, rhythm: Rhythm, monotonic: Callable[[], float]) -> None:
        self._rhythm, self._monotonic = rhythm, monotonic
        self._began, self._took = monotonic(), 0.0

    @contextmanager
    def part(self) -> Iterator[None]:
        """While a part is written. What passes between parts does not count as writing."""
        began = self._monotonic()
        try:
            yield
        finally:
            self._took += self._monotonic() - began

    def end(self) -> None:
        self._rhythm.ended(self._began, self._took)


AT_ONCE = Rhythm(0.0, 0.0)
