"""A loyalty programme as frozen models: which rules there are, and which hold at a moment. ``programme_file`` reads them.

Points are whole. Each entry is computed exactly, as a fraction, and rounded once, by the programme's ``rounding``; nothing
else is ever rounded. Multipliers and tiers do not change what a rule earns: each posts an entry of its own for what it adds,
so that every point names the rule and version that gave it, and several multipliers add up (2 and 1.5 make 2.5).
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Literal, TypeVar

from services.loyalty.moments import FOREVER, days_later

Rounding = Literal["down", "half_up", "up"]
Occasion = Literal["first_purchase", "birthday", "survey"]
TIER_PREFIX = "tier-"
"""What a tier adds is posted under this and its name."""
FOLD = 2
"""Of what the fold keeps in an account's state: another number has every account folded anew, as another programme does."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What every rule has. It holds for facts with ``since`` <= occurred_at < ``until`` (dates, UTC)."""

    id: str
    version: int = 1
    since: str = ""
    until: str = FOREVER
    available_after_days: int = 0
    expire_after_days: int | None = None
    qualifies: bool = True  # whether its points count towards tiers that go by points

    def holds(self, at: str) -> bool:
        return self.since <= at < self.until

    def available_from(self, at: str) -> str:
        return days_later(at, self.available_after_days)

    def expires_at(self, at: str) -> str:
        """FOREVER where it never does. Counted from when the points were earned."""
        return FOREVER if self.expire_after_days is None else days_later(at, self.expire_after_days)


@dataclass(frozen=True, kw_only=True)
class EarnRule(Rule):
    """Points for money: ``rate`` points for one minor unit of the currency."""

    currency: str
    rate: Fraction


@dataclass(frozen=True, kw_only=True)
class Multiplier(Rule):
    """``factor`` times the points on lines of these categories and purchases from these sources; empty: all."""

    factor: Fraction
    categories: frozenset[str] = frozenset()
    sources: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Bonus(Rule):
    """So many points for an occasion; ``at_most_every_days`` 0: every time."""

    on: Occasion
    points: int
    at_most_every_days: int = 0
    after_purchase: bool = True  # a birthday or survey counts only once something was bought


@dataclass(frozen=True, kw_only=True)
class Level(Rule):
    """A tier: reached with ``threshold`` in the window; earns ``factor`` times the points."""

    threshold: int
    factor: Fraction = Fraction(1)


@dataclass(frozen=True, kw_only=True)
class Tiers:
    """``by`` points, or spend in one currency's minor units. Levels ascend, and the first starts at 0."""

    by: Literal["points", "spend"]
    currency: str | None
    window_days: int
    period_days: int
    grace_days: int
    levels: tuple[Level, ...]

    def reached(self, qualifying: int) -> int:
        """The index of the highest level that so much reaches."""
        reached = 0
        for index, level in enumerate(self.levels):
            if level.threshold <= qualifying:
                reached = index
        return reached


@dataclass(frozen=True, kw_only=True)
class Exclusions:
    """What earns nothing."""

    tax: bool = True
    shipping: bool = True
    categories: frozenset[str] = frozenset()
    sources: frozenset[str] = frozenset()


R = TypeVar("R", bound=Rule)


@dataclass(frozen=True, kw_only=True)
class Programme:
    """See the module."""

    name: str
    version: int
    rounding: Rounding = "down"
    exclude: Exclusions = Exclusions()
    earn: tuple[EarnRule, ...] = ()
    multipliers: tuple[Multiplier, ...] = ()
    bonuses: tuple[Bonus, ...] = ()
    tiers: Tiers | None = None
    _held: dict[str, tuple[EarnRule, ...]] = field(default_factory=dict, init=False, repr=False, compare=False)

    @cached_property
    def digest(self) -> str:
        """Equal for equal rules, whatever the file's layout and comments: an account folded with others is folded anew."""
        return hashlib.sha256(f"{FOLD} {_spelled(self)}".encode()).hexdigest()[:16]

    def earning(self, currency: str, at: str) -> list[EarnRule]:
        """The rules that turn this currency into points."""
        if currency not in self._held:
            self._held[currency] = tuple(rule for rule in self.earn if rule.currency == currency)
        return [rule for rule in self._held[currency] if rule.since <= at < rule.until]

    def bonuses_on(self, occasion: Occasion, at: str) -> list[Bonus]:
        return [rule for rule in self.bonuses if rule.on == occasion and rule.since <= at < rule.until]

    @cached_property
    def keeps_birthdays(self) -> bool:
        return any(bonus.on == "birthday" for bonus in self.bonuses)

    def rounded(self, numerator: int, denominator: int) -> int:
        """Of a fraction that is not negative."""
        if self.rounding == "down":
            return numerator // denominator
        if self.rounding == "up":
            return -(-numerator // denominator)
        return (2 * numerator + denominator) // (2 * denominator)


def _spelled(value: object) -> str:
    """Like repr, but with sets in order: their own order differs from process to process."""
    if isinstance(value, frozenset):
        return _spelled(tuple(sorted(value)))
    if isinstance(value, tuple):
        return f"({','.join(map(_spelled, value))})"
    if hasattr(value, "__dataclass_fields__"):
        fields: Iterable[str] = (name for name, one in value.__dataclass_fields__.items() if one.compare)
        return f"{type(value).__name__}({','.join(f'{name}={_spelled(getattr(value, name))}' for name in fields)})"
    return repr(value)
