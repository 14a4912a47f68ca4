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

    @contextmanager
    def beat(self) -> Iterator[None]:
        """While it is written. One that fails does not count."""
        began = self._monotonic()
        yield
        took = self._monotonic() - began
        self._next = began + min(max(self._least, took / SHARE), self._most)


AT_ONCE = Rhythm(0.0, 0.0)
