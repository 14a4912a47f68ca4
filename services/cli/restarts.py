"""When a program that ended is started again. Pure."""

from dataclasses import dataclass, replace

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
STEADY_AFTER = 60.0
"""Seconds of running after which earlier failures are forgotten."""


@dataclass(frozen=True, slots=True)
class Restarts:
    """``failures`` in a row, and how often in all. Moments in seconds of any one clock."""

    failures: int = 0
    in_all: int = 0
    not_before: float = 0.0

    def after_end(self, now: float, ran_for: float) -> "Restarts":
        """The program ended by itself: half a second of pause, then twice as long each time."""
        failures = 0 if ran_for >= STEADY_AFTER else self.failures
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2**failures)
        return replace(self, failures=failures + 1, in_all=self.in_all + 1, not_before=now + pause)
