"""Waiting by conditions, with a deadline; never for a fixed time."""

import time
from collections.abc import Callable

POLL = 0.03


def wait_for(condition: Callable[[], bool | str], what: str, within: float, every: float = POLL) -> float:
    """Returns the seconds until the condition is True, looked at ``every`` so many. TimeoutError names what did not happen, and what was
    found instead."""
    began = time.monotonic()
    while (found := condition()) is not True:
        if time.monotonic() - began > within:
            raise TimeoutError(f"waited {within:g} s for {what}; last seen: {found}")
        time.sleep(every)
    return time.monotonic() - began
