"""Lots: points of one source, used up in the order in which they expire. Pure functions on tuples.

A lot that goes below zero is a debt: points taken back after they were spent. Debts are settled from lots as soon as there
are any, so an account never has both; what remains in all lots and debts is always the balance.
"""

from bisect import insort
from collections.abc import Iterable

import msgspec


class Lot(msgspec.Struct, frozen=True, array_like=True, order=True, gc=False):
    """``remaining`` is more than 0; in a debt it is less. Fields are in the order in which lots are used up."""

    expires_at: str  # FOREVER: never
    earned_at: str
    lot_id: str
    source_event: str
    rule: str
    version: int
    available_from: str
    remaining: int


Lots = tuple[Lot, ...]
Taken = list[tuple[Lot, int]]
"""(the lot as it was, points taken from it)"""


def with_lot(lots: Lots, lot: Lot) -> Lots:
    """Sorted as lots are used up."""
    if not lots or lots[-1] < lot:
        return (*lots, lot)
    several = list(lots)
    insort(several, lot)
    return tuple(several)


def of_id(lots: Lots, lot_id: str) -> Lot | None:
    return next((lot for lot in lots if lot.lot_id == lot_id), None)


def less(lots: Lots, taken: Iterable[tuple[Lot, int]]) -> Lots:
    """Without what was taken; a lot of which nothing remains is gone."""
    by_id = {lot.lot_id: points for lot, points in taken}
    reduced = (msgspec.structs.replace(lot, remaining=lot.remaining - by_id[lot.lot_id]) if lot.lot_id in by_id else lot for lot in lots)
    return tuple(lot for lot in reduced if lot.remaining)


def first_to_expire(lots: Lots, points: int, at: str) -> Taken:
    """So many points from lots that are available at that moment, or all there are."""
    taken: Taken = []
    for lot in lots:
        if points <= 0:
            break
        if lot.available_from <= at:
            part = min(points, lot.remaining)
            taken.append((lot, part))
            points -= part
    return taken


def settled(lots: Lots, debts: Lots) -> tuple[Lots, Lots, dict[str, tuple[Lot, int]]]:
    """Lots and debts after the one made up for the other, and what each gave or got: lot id → (lot, points)."""
    owed, there = -sum(debt.remaining for debt in debts), sum(lot.remaining for lot in lots)
    moving = min(owed, there)
    given = first_to_expire(lots, moving, "~")
    received: Taken = []
    for debt in debts:
        part = min(moving, -debt.remaining)
        if part:
            received.append((debt, -part))
        moving -= part
    changes = {lot.lot_id: (lot, -points) for lot, points in [*given, *received]}
    return less(lots, given), less(debts, received), changes
