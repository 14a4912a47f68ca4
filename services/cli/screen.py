"""What goes to the terminal: one console for answers, one for what is said beside them."""

import sys
import time

from rich.console import Console

WIDE = 160
"""Columns where there is no terminal to ask."""

out = Console(highlight=False, width=None if sys.stdout.isatty() else WIDE)
err = Console(stderr=True, highlight=False)


def money(minor: int, currency: str) -> str:
    """An amount of a currency with hundredths: ``money(250031563, "USD")`` is ``2,500,315.63 USD``."""
    sign, whole, cents = ("-" if minor < 0 else ""), *divmod(abs(minor), 100)
    return f"{sign}{whole:,}.{cents:02d} {currency}"


def ago(since: float) -> str:
    """How long since a moment in epoch seconds, in one unit."""
    seconds = max(0, int(time.time() - since))
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
