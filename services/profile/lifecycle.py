"""Where a customer stands: prospect, new, active, at risk, lost or won back. A pure function of purchases and the time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from schemas import times
from schemas.profile_events import Lifecycle

_DAY = 24 * 3600 * 1_000_000


@dataclass(frozen=True)
class LifecyclePolicy:
    """Days without a purchase after which a customer is at risk, and lost; and days for which a customer counts as new."""

    new_days: int = 30
    at_risk_days: int = 90
    lost_days: int = 180


class Standing(NamedTuple):
    """A stage of life, the moment it began, and the moment it ends by time alone, if it does; in microseconds since 1970."""

    lifecycle: Lifecycle
    since_micros: int | None
    until_micros: int | None

    @property
    def since(self) -> str:
        """The same as canonical text; empty for a prospect."""
        return "" if self.since_micros is None else times.from_micros(self.since_micros)


def standing(policy: LifecyclePolicy, first_order: str | None, latest_orders: Sequence[str], now_micros: int) -> Standing:
    """``latest_orders``: the moments of at least the latest two orders, ascending.

    A customer is *won back* by a purchase after having been lost, and stays so until at risk again; *new* for
    ``new_days`` after the first purchase; *active* otherwise.
    """
    if first_order is None:
        return Standing("prospect", None, None)
    last = times.to_micros(latest_orders[-1])
    at_risk, lost = last + policy.at_risk_days * _DAY, last + policy.lost_days * _DAY
    if now_micros >= lost:
        return Standing("lost", lost, None)
    if now_micros >= at_risk:
        return Standing("at_risk", at_risk, lost)
    if len(latest_orders) > 1 and last - times.to_micros(latest_orders[-2]) >= policy.lost_days * _DAY:
        return Standing("won_back", last, at_risk)
    first = times.to_micros(first_order)
    new_until = first + policy.new_days * _DAY
    if now_micros < new_until:
        return Standing("new", first, min(new_until, at_risk))
    return Standing("active", new_until, at_risk)
