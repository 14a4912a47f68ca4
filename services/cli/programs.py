"""What a stack consists of: which programs, what each needs before it can start, and how one sees that it is well."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

Health = Callable[[], str | None]
"""What is wrong, in words; None: nothing."""


HOPELESS = 78
"""Exit code of a preparation that would fail again, however often it is tried (EX_CONFIG of sysexits.h)."""


@dataclass(frozen=True, slots=True)
class Program:
    """One process. ``needs`` names programs that must be well (or, of a preparation, done) before it starts.

    A ``preparation`` ends by itself: with 0 it is done, with HOPELESS
    the whole stack has failed, else it is tried again. Programs are stopped in the order of ``stop_turn``.
    ``environment``: the whole of it; None: the supervisor's own.
    """

    name: str
    argv: list[str]
    log: Path
    health: Health
    address: str = ""
    needs: tuple[str, ...] = ()
    preparation: bool = False
    stop_turn: int = 0
    stop_within: float = 12.0
    environment: Mapping[str, str] | None = None
