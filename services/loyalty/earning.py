"""What a purchase earns, by which rules. Pure; one entry a rule, each rounded once."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import NamedTuple

from services.loyalty.facts import Line, Purchase
from services.loyalty.programme import TIER_PREFIX, Exclusions, Level, Multiplier, Programme, Rule

WHOLE_ORDER: tuple[int, ...] = ()


class Earned(NamedTuple):
    """Points of one rule. ``lines``: indexes of the lines that earned them, in proportion to their weights."""

    rule: Rule
    name: str
    points: int
    lines: tuple[int, ...] = WHOLE_ORDER


def eligible_minor(exclude: Exclusions, purchase: Purchase) -> int:
    """The part of the total that can earn, before lines are left out: without tax and shipping where these are excluded."""
    if purchase.source in exclude.sources:
        return 0
    return max(0, purchase.total - (purchase.tax if exclude.tax else 0) - (purchase.shipping if exclude.shipping else 0))


def weights(lines: Sequence[Line]) -> list[int]:
    """How the total is shared among the lines: by price where every line has one, else by quantity."""
    if all(line.price is not None for line in lines):
        by_price = [line.quantity * (line.price or 0) for line in lines]
        if any(by_price):
            return by_price
    return [line.quantity for line in lines]


def counted_minor(programme: Programme, purchase: Purchase) -> tuple[int, tuple[int, ...]]:
    """The money that earns (minor units, rounded like points), and the lines it is for."""
    share, whole, lines = _share(programme, purchase, None)
    return programme.rounded(eligible_minor(programme.exclude, purchase) * share, whole), lines


def earned(programme: Programme, level: Level | None, purchase: Purchase) -> Iterator[Earned]:
    """Base points by each earning rule, then what each multiplier and the tier add to them."""
    rules = programme.earning(purchase.currency, purchase.at)
    eligible = eligible_minor(programme.exclude, purchase)
    if not rules or not eligible:
        return
    share, whole, lines = _share(programme, purchase, None)
    for rule in rules:
        yield Earned(rule, rule.id, _points(programme, eligible * share, whole, rule.rate), lines)
    for extra, name, times in _extras(programme, level, purchase):
        share, whole, lines = _share(programme, purchase, extra if isinstance(extra, Multiplier) else None)
        base = rules[0].rate if len(rules) == 1 else sum((rule.rate for rule in rules), Fraction(0))
        yield Earned(extra, name, _points(programme, eligible * share, whole, base * (times - 1)), lines)


def _extras(programme: Programme, level: Level | None, purchase: Purchase) -> Iterator[tuple[Rule, str, Fraction]]:
    """(rule, its name in entries, factor) of the multipliers that hold, and of the tier."""
    for multiplier in programme.multipliers:
        if multiplier.holds(purchase.at) and (not multiplier.sources or purchase.source in multiplier.sources):
            yield multiplier, multiplier.id, multiplier.factor
    if level is not None and level.factor != 1 and level.holds(purchase.at):
        yield level, TIER_PREFIX + level.id, level.factor


def _share(programme: Programme, purchase: Purchase, multiplier: Multiplier | None) -> tuple[int, int, tuple[int, ...]]:
    """(weight of the lines that count, weight of all lines, the lines that count)."""
    excluded, wanted = programme.exclude.categories, multiplier.categories if multiplier else frozenset()
    if not purchase.lines:
        return int(not wanted), 1, WHOLE_ORDER
    if not excluded and not wanted:
        return 1, 1, tuple(range(len(purchase.lines)))
    every = weights(purchase.lines)
    lines = tuple(
        index for index, line in enumerate(purchase.lines) if line.category not in excluded and (not wanted or line.category in wanted)
    )
    return sum(every[index] for index in lines), sum(every), lines


def _points(programme: Programme, numerator: int, denominator: int, rate: Fraction) -> int:
    return programme.rounded(numerator * rate.numerator, denominator * rate.denominator)
