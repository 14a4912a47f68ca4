"""What Hypothesis makes up: facts close enough in time and money that every boundary is met often."""

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from services.loyalty.programme import Programme
from services.loyalty.programme_file import read
from tests.loyalty.profile_world import adjustment, identify, line, purchase, redemption, refund, survey

YAML = """
programme: test
version: 1
rounding: {rounding}
lots: {{available_after_days: 3, expire_after_days: 40}}
exclude: {{tax: true, shipping: {shipping}, categories: {excluded}, sources: [staff]}}
earn:
  - {{id: base, currency: EUR, points: 10, until: 2025-03-01}}
  - {{id: base, version: 2, currency: EUR, points: 12.5, from: 2025-03-01}}
  - {{id: dollars, currency: USD, points: 7}}
multipliers:
  - {{id: wine, factor: 2, categories: [wine], expire_after_days: 20}}
  - {{id: app, factor: 1.5, sources: [app], available_after_days: 0}}
bonuses:
  - {{id: welcome, on: first_purchase, points: 50, expire_after_days: never}}
  - {{id: birthday, on: birthday, points: 30, expire_after_days: 10}}
  - {{id: thanks, on: survey, points: 5, at_most_every_days: 20, qualifies: true}}
tiers: {{{tiers}, window_days: 30, period_days: 20, grace_days: {grace}, levels: [
  {{name: basic, threshold: 0}},
  {{name: silver, threshold: 300, factor: 1.25}},
  {{name: gold, threshold: 900, factor: 2}}]}}
"""


def programme(
    rounding: str = "down", tiers: str = "by: points", grace: int = 5, shipping: str = "true", excluded: str = "[voucher]"
) -> Programme:
    return read(YAML.format(rounding=rounding, tiers=tiers, grace=grace, shipping=shipping, excluded=excluded).encode())


PROGRAMMES = (
    programme(),
    programme("half_up", "by: spend, currency: EUR", 0, "false"),
    programme("up", grace=0, excluded="[]"),
    read(b"programme: plain\nversion: 1\nearn: [{id: base, currency: EUR, points: 1}]\n"),
)

money = st.sampled_from([0, 1, 99, 100, 999, 1_000, 2_500, 3_333, 10_000])
prices = st.sampled_from([None, 0, 333, 1_000, 1_000])
categories = st.sampled_from([None, "wine", "voucher"])
lines = st.lists(st.builds(line, st.sampled_from("ab"), prices, st.integers(1, 3), categories), max_size=3)
line_refunds = st.lists(
    st.builds(lambda sku, amount: {"sku": sku, "amount": amount}, st.sampled_from("aabz"), st.sampled_from([0, 100, 333, 1_000])),
    max_size=2,
)


quarters = st.integers(0, 480).map(lambda quarter: quarter / 4)


@dataclass(frozen=True)
class Theme:
    """What a scenario is mostly about, so that its facts meet."""

    kinds: tuple[str, ...]
    orders: tuple[str, ...] = ("o1", "o2", "o3")
    currencies: tuple[str, ...] = ("EUR",)
    days: st.SearchStrategy[float] = quarters
    totals: st.SearchStrategy[int] = money


close = st.integers(0, 80).map(lambda quarter: quarter / 4)
REFUNDS = Theme(("purchase", "refund", "refund"), ("o1",))
TIERS = Theme(("purchase",), days=st.integers(0, 100), totals=st.sampled_from([2_500, 3_000, 3_333, 10_000]))
SPENDING = Theme(("purchase", "redemption", "redemption", "adjustment"), days=close, totals=st.sampled_from([1_000, 2_500, 3_333]))
SPENT = Theme(("purchase", "refund", "refund", "redemption", "redemption"), ("o1",), days=close, totals=st.sampled_from([1_000, 3_333]))
BIRTHDAYS = Theme(("purchase", "identify", "identify", "survey"), days=st.sampled_from([0, 10, 19, 19.25, 25, 60, 68, 70, 380, 400, 430]))
MIXED = Theme(("purchase", "purchase", "refund", "survey", "identify"), currencies=("EUR", "EUR", "EUR", "USD", "CHF"))
EARNING = Theme(
    ("purchase",) * 8 + ("survey", "identify", "adjustment"), days=st.integers(1, 45), totals=st.sampled_from([10, 99, 333, 2_500])
)
OF_TOUCHPOINTS = (REFUNDS, TIERS, BIRTHDAYS, MIXED)


@st.composite
def facts(draw: st.DrawFn, event_id: str, theme: Theme) -> dict[str, Any]:
    """One fact. Redemptions and adjustments are made by no touchpoint."""
    kind, day = draw(st.sampled_from(theme.kinds)), draw(theme.days)
    order, currency = draw(st.sampled_from(theme.orders)), draw(st.sampled_from(theme.currencies))
    if kind == "purchase":
        source = draw(st.sampled_from(["shop", "shop", "app", "staff"]))
        tax, shipping = draw(st.sampled_from([0, 190])), draw(st.sampled_from([0, 495]))
        return purchase(
            event_id, day, draw(theme.totals), order, tax=tax, shipping=shipping, currency=currency, source=source, lines=draw(lines)
        )
    if kind == "refund":
        back = draw(line_refunds)
        refund_id = draw(st.sampled_from([event_id, event_id, "same"]))
        amount = draw(money) if not back else sum(one["amount"] for one in back)
        return refund(event_id, day, order, amount, refund_id=refund_id, currency=currency, lines=back)
    if kind == "survey":
        return survey(event_id, day)
    if kind == "identify":
        return identify(event_id, day, draw(st.sampled_from([None, "02-29", "03-10", "01-20"])))
    if kind == "redemption":
        return redemption(event_id, day, draw(st.integers(1, 400)))
    return adjustment(event_id, day, draw(st.integers(-200, 200).filter(bool)))


@st.composite
def several_facts(draw: st.DrawFn, most: int = 10) -> list[dict[str, Any]]:
    theme = draw(st.sampled_from([*OF_TOUCHPOINTS, SPENDING, SPENT]))
    return [draw(facts(f"e{number:02d}", theme)) for number in range(draw(st.integers(1, most)))]


@st.composite
def earning_facts(draw: st.DrawFn) -> list[dict[str, Any]]:
    """A first purchase, and mostly purchases after it."""
    return [purchase("e00", 0, 10), *[draw(facts(f"e{number:02d}", EARNING)) for number in range(1, draw(st.integers(3, 8)))]]
