"""An account's tier: up at once when the trailing window qualifies for more, down only when its period ends. Pure.

The window is whole UTC days: the day of the moment and the ``window_days`` - 1 before it.
"""

from typing import NamedTuple

import msgspec

from services.loyalty.moments import day_number, days_later
from services.loyalty.programme import Tiers


class Standing(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """``level`` is an index into the programme's levels. At ``until`` it is looked at again; the lowest has no end."""

    level: int = 0
    since: str = ""
    until: str | None = None
    in_grace: bool = False
    window: tuple[tuple[int, int], ...] = ()
    """(day, what qualified), ascending"""


class Move(NamedTuple):
    """The tier changed from one level to another, or was kept. ``qualifying`` decided it."""

    before: int
    after: int
    at: str
    qualifying: int


def qualifying(tiers: Tiers, standing: Standing, at: str) -> int:
    first = day_number(at) - tiers.window_days + 1
    return sum([amount for day, amount in standing.window if day >= first])


def counted(tiers: Tiers, standing: Standing, at: str, amount: int) -> Standing:
    """With so much more that qualifies, on the day of ``at``, which is no earlier than any before."""
    today = day_number(at)
    first, window = today - tiers.window_days + 1, standing.window
    if window and window[-1][0] == today:
        amount, window = amount + window[-1][1], window[:-1]
    if window and window[0][0] < first:
        window = tuple(entry for entry in window if entry[0] >= first)
    return msgspec.structs.replace(standing, window=(*window, (today, amount)))


def begins_later(after: Standing, before: Standing) -> bool:
    """Whether days have left the window."""
    return bool(before.window) and after.window[0][0] > before.window[0][0]


def inserted(tiers: Tiers, standing: Standing, at: str, amount: int) -> Standing | None:
    """With so much more on the day of ``at``, after which others were counted, none has left the window and the tier has stayed. None
    where that might have been otherwise with it."""
    day, by_day = day_number(at), dict(standing.window)
    by_day[day] = by_day.get(day, 0) + amount
    too_long = max(by_day) - min(by_day) >= tiers.window_days
    if standing.in_grace or too_long or tiers.reached(sum(by_day.values())) > standing.level:
        return None
    return msgspec.structs.replace(standing, window=tuple(sorted(by_day.items())))


def uncounted(standing: Standing, at: str, amount: int) -> Standing:
    """With so much less on the day on which it was counted, if that is still in the window."""
    day = day_number(at)
    window = tuple((when, much - amount if when == day else much) for when, much in standing.window)
    return msgspec.structs.replace(standing, window=window)


def raised(tiers: Tiers, standing: Standing, at: str) -> tuple[Standing, Move | None]:
    """Up at once, for a whole period; a tier in its grace that qualifies again is saved for one."""
    now = qualifying(tiers, standing, at)
    reached = tiers.reached(now)
    if reached > standing.level:
        move = Move(standing.level, reached, at, now)
        until = days_later(at, tiers.period_days)
        return Standing(reached, at, until, False, standing.window), move
    if standing.in_grace and reached == standing.level:
        return msgspec.structs.replace(standing, in_grace=False, until=days_later(at, tiers.period_days)), None
    return standing, None


def reviewed(tiers: Tiers, standing: Standing) -> tuple[Standing, Move | None]:
    """At ``until``: kept for another period where the window still qualifies, else kept for the grace, else down to what it does. What is
    kept moves too, from a level to itself: it is kept for longer than was said."""
    at = standing.until
    if at is None:
        return standing, None
    now = qualifying(tiers, standing, at)
    reached, kept = tiers.reached(now), Move(standing.level, standing.level, at, now)
    if reached >= standing.level:
        return msgspec.structs.replace(standing, in_grace=False, until=days_later(at, tiers.period_days)), kept
    if tiers.grace_days and not standing.in_grace:
        return msgspec.structs.replace(standing, in_grace=True, until=days_later(at, tiers.grace_days)), kept
    until = days_later(at, tiers.period_days) if reached else None
    return Standing(reached, at, until, False, standing.window), Move(standing.level, reached, at, now)
