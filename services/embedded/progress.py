"""How the preparation of the stack tells how far it is."""

from collections.abc import Callable

OnProgress = Callable[[int, int, str], None]
"""Told (bytes done, bytes in all, what is being done); called from several threads, one at a time."""


def silent(_done: int, _total: int, _label: str) -> None:
    """For callers who do not show progress."""
