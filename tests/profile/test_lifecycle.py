"""Where a customer stands at every boundary, since when, and until when by time alone."""

import pytest

from schemas.times import from_micros, to_micros
from services.profile.lifecycle import LifecyclePolicy, Standing, standing

DAY = 24 * 3600 * 1_000_000
FIRST = to_micros("2026-01-01T12:00:00Z")
POLICY = LifecyclePolicy(new_days=30, at_risk_days=90, lost_days=180)


def day(number: float) -> str:
    return from_micros(round(FIRST + number * DAY))


def micros(number: float) -> int:
    return round(FIRST + number * DAY)


def test_who_never_bought_is_a_prospect_for_ever() -> None:
    assert standing(POLICY, None, [], micros(9_999)) == Standing("prospect", None, None)


@pytest.mark.parametrize(
    ("orders", "now", "expected"),
    [
        ([0], 0, ("new", 0, 30)),
        ([0], 29.999, ("new", 0, 30)),
        ([0], 30, ("active", 30, 90)),
        ([0], 89.999, ("active", 30, 90)),
        ([0], 90, ("at_risk", 90, 180)),
        ([0], 179.999, ("at_risk", 90, 180)),
        ([0], 180, ("lost", 180, None)),
        ([0, 20], 25, ("new", 0, 30)),
        ([0, 20], 30, ("active", 30, 110)),
        ([0, 100], 100, ("active", 30, 190)),
        ([0, 179.999], 179.999, ("active", 30, 269.999)),
        ([0, 180], 180, ("won_back", 180, 270)),
        ([0, 180], 269.999, ("won_back", 180, 270)),
        ([0, 180], 270, ("at_risk", 270, 360)),
        ([0, 200, 210], 210, ("active", 30, 300)),
    ],
)
def test_a_customer_moves_on_at_the_very_moment(orders: list[float], now: float, expected: tuple[str, float, float | None]) -> None:
    lifecycle, since, until = expected
    found = standing(POLICY, day(0), [day(number) for number in orders][-2:], micros(now))
    assert found == (lifecycle, micros(since), None if until is None else micros(until))


def test_whoever_is_at_risk_before_no_longer_new_is_new_until_then() -> None:
    policy = LifecyclePolicy(new_days=100, at_risk_days=90, lost_days=180)
    assert standing(policy, day(0), [day(0)], micros(1)) == ("new", micros(0), micros(90))
