"""How an account's lots are stored: all of them once in a while, in a row of their own; with the account's row, which is written at every
change, only those that came or went since. So what an account costs grows with the square root of its open lots, not with all of them.

Pure.
"""

from bisect import bisect_left
from math import isqrt

import msgspec

from services.loyalty.lots import Lots

FEW = 8
"""So many others are always written with the account."""


class Run(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Of the stored lots those from ``begin`` to before ``end`` are still so. ``before``: how many others are used up before them."""

    before: int = 0
    begin: int = 0
    end: int = 0


def parted(lots: Lots, stored: Lots) -> tuple[Run, Lots]:
    """The run of lots that are among the stored ones, and all others. The longest, unless many came before the first that stayed: points
    are used from the front, and what is new mostly expires last."""
    for before, lot in enumerate(lots[: FEW + 1] if stored else ()):
        begin = bisect_left(stored, lot)
        if stored[begin : begin + 1] == (lot,):
            end = begin + _alike(lots[before:], stored[begin:])
            return Run(before, begin, end), (*lots[:before], *lots[before + end - begin :])
    return Run(), lots


def united(others: Lots, run: Run, stored: Lots) -> Lots:
    """All lots again. Raises msgspec.ValidationError where the stored ones are not those that the run is of."""
    if not (0 <= run.begin <= run.end <= len(stored) and 0 <= run.before <= len(others)):
        what = f"of {len(stored)} stored lots there is no run from {run.begin} to {run.end}"
        raise msgspec.ValidationError(f"{what}: `rapport rebuild loyalty` makes the store again")
    return (*others[: run.before], *stored[run.begin : run.end], *others[run.before :])


def are_few(others: Lots, lots: Lots) -> bool:
    """Whether they are written with the account, rather than all lots anew. With n lots, and one more at each write, least is written where
    the others may come to the square root of 2n."""
    return len(others) <= max(FEW, isqrt(2 * len(lots)))


def _alike(one: Lots, other: Lots) -> int:
    """How many are the same from the beginning on."""
    most = min(len(one), len(other))
    if one[:most] == other[:most]:
        return most
    low, high = 0, most  # the same up to the one, not up to the other
    while high - low > 1:
        middle = (low + high) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle
    return low
