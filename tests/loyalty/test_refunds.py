"""What refunds take back."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.loyalty.profile_world import line, purchase, redemption, refund
from tests.loyalty.scenarios import lines as any_lines
from tests.loyalty.told import EUROS, TIERS, entries, programme, remaining, tier_moves, told

BONUSES = "\nbonuses: [{id: welcome, on: first_purchase, points: 50}]"
WINE = "\nmultipliers: [{id: wine, factor: 2, categories: [wine]}]"


def test_a_refund_by_amount_takes_back_the_same_part_of_everything() -> None:
    outcome = told(programme(EUROS + BONUSES), purchase("p", 0, 100_00), refund("r", 1, "p", 30_00))
    assert entries(outcome)[2:] == [("reverse", "p:base", -30), ("reverse", "p:welcome", -15)]


def test_a_refund_by_lines_takes_back_what_these_lines_earned() -> None:
    lines = [line("a", 30_00), line("b", 20_00, category="wine")]
    bought = purchase("p", 0, 55_00, shipping=5_00, lines=lines)
    wine_back = refund("r", 1, "p", 20_00, lines=[{"sku": "b", "amount": 20_00}])
    assert entries(told(programme(EUROS + WINE), bought, wine_back))[2:] == [("reverse", "p:base", -20), ("reverse", "p:wine", -20)]


def test_a_line_that_was_sold_at_a_discount_is_back_when_what_was_paid_for_it_is() -> None:
    bought = purchase("p", 0, 50_00, lines=[line("a", 50_00), line("b", 50_00)])
    back = refund("r", 1, "p", 25_00, lines=[{"sku": "b", "amount": 25_00}])
    assert entries(told(programme(), bought, back))[1:] == [("reverse", "p:base", -25)]


def test_of_a_discounted_order_shipping_was_not_paid_for_any_line() -> None:
    bought = purchase("p", 0, 45_00, shipping=5_00, lines=[line("a", 50_00), line("b", 50_00)])
    back = refund("r", 1, "p", 20_00, lines=[{"sku": "b", "amount": 20_00}])
    assert entries(told(programme(), bought, back))[1:] == [("reverse", "p:base", -20)]


def test_a_line_that_cost_nothing_is_back_when_it_is_named() -> None:
    bought = purchase("p", 0, 5_00, shipping=5_00, lines=[line("a", 10_00), line("b", 10_00)])
    back = refund("r", 1, "p", 0, lines=[{"sku": "b", "amount": 0}])
    assert entries(told(programme("exclude: {shipping: false}\n" + EUROS), bought, back))[1:] == [("reverse", "p:base", -2)]


def test_of_a_refund_of_half_a_line_half_of_its_points_are_taken() -> None:
    bought = purchase("p", 0, 40_00, lines=[line("a", 10_00, 2), line("b", 20_00)])
    back = refund("r", 1, "p", 10_00, lines=[{"sku": "a", "amount": 10_00}])
    assert entries(told(programme(), bought, back))[1:] == [("reverse", "p:base", -10)]


def back(day: float, *lines: tuple[str, int]) -> dict[str, Any]:
    """A refund of the order p."""
    said = [{"sku": sku, "amount": amount} for sku, amount in lines]
    return refund(f"r{day}", day, "p", sum(amount for _, amount in lines), lines=said)


TWO_LINES = purchase("p", 0, 100_00, lines=[line("a", 40_00), line("b", 60_00)])


def test_two_refunds_of_one_line_take_what_both_gave_back_of_it_and_never_more_than_it_earned() -> None:
    assert entries(told(programme(), TWO_LINES, back(1, ("a", 10_00)), back(2, ("a", 10_00))))[1:] == [("reverse", "p:base", -10)] * 2
    more = told(programme(), TWO_LINES, back(1, ("a", 30_00)), back(2, ("a", 30_00)))
    assert entries(more)[1:] == [("reverse", "p:base", -30), ("reverse", "p:base", -10)]


def test_of_two_lines_of_one_article_the_first_is_given_back_before_the_second() -> None:
    bought = purchase("p", 0, 100_00, lines=[line("a", 10_00), line("a", 20_00, category="wine"), line("b", 70_00)])
    outcome = told(programme(EUROS + WINE), bought, back(1, ("a", 15_00)))
    assert entries(outcome)[2:] == [("reverse", "p:base", -15), ("reverse", "p:wine", -5)]


def test_refunds_of_no_line_that_was_bought_take_the_same_part_of_everything_each_time() -> None:
    by_amount = told(programme(), TWO_LINES, refund("r", 1, "p", 10_00), refund("s", 2, "p", 10_00))
    of_strange_lines = told(programme(), TWO_LINES, back(1, ("x", 10_00)), back(2, ("x", 10_00)))
    assert entries(by_amount)[1:] == entries(of_strange_lines)[1:] == [("reverse", "p:base", -10)] * 2


@settings(max_examples=examples(150), deadline=None)
@given(any_lines, st.integers(0, 10_000), st.lists(st.integers(0, 10_000), max_size=4))
def test_refunding_everything_in_whatever_parts_takes_back_everything(lines: list[dict[str, object]], total: int, parts: list[int]) -> None:
    rules = programme(EUROS.replace("points: 1", "points: 3.7") + WINE + BONUSES)
    bought = purchase("p", 0, total, shipping=min(total, 3), lines=lines)
    cuts = [min(part, total) for part in sorted(parts)]
    amounts = [after - before for before, after in zip([0, *cuts], [*cuts, total], strict=True)]
    refunds = [refund(f"r{number}", number + 1, "p", amount) for number, amount in enumerate(amounts)]
    outcome = told(rules, bought, *refunds)
    assert outcome.state.balance == 0
    assert outcome.state.earned == 0
    assert remaining(outcome.state) == {}


def test_a_refund_in_another_currency_has_no_effect_and_is_noted() -> None:
    outcome = told(programme(), purchase("p", 0, 100_00), refund("r", 1, "p", 100_00, currency="USD"))
    assert outcome.state.balance == 100
    assert outcome.noted == {"r": "other_currency"}


def test_a_refund_of_an_order_nobody_knows_waits_until_the_purchase_is_known() -> None:
    waiting = told(programme(), refund("r", 5, "p", 100_00))
    assert waiting.noted == {"r": "order_unknown"}
    assert waiting.state.waiting == ("p",)
    known = told(programme(), refund("r", 5, "p", 100_00), purchase("p", 0, 100_00))
    assert entries(known) == [("earn", "p:base", 100), ("reverse", "p:base", -100)]
    assert known.state.waiting == ()


def test_a_refund_dated_before_its_purchase_counts_at_the_purchase() -> None:
    outcome = told(programme(), refund("r", 0, "p", 40_00), purchase("p", 1, 100_00))
    assert entries(outcome) == [("earn", "p:base", 100), ("reverse", "p:base", -40)]
    assert outcome.noted == {}


def test_one_refund_that_two_channels_report_counts_once() -> None:
    outcome = told(
        programme(), purchase("p", 0, 100_00), refund("r1", 1, "p", 40_00, refund_id="same"), refund("r2", 2, "p", 40_00, refund_id="same")
    )
    assert outcome.state.balance == 60
    assert outcome.noted == {"r2": "refunded_before"}


def test_points_that_expired_are_not_taken_back_again() -> None:
    rules = programme("lots: {expire_after_days: 10}\n" + EUROS)
    outcome = told(rules, purchase("p", 0, 100_00), refund("r", 20, "p", 100_00))
    assert entries(outcome) == [("earn", "p:base", 100), ("expire", "p:base", -100)]


def test_points_that_were_spent_are_taken_back_and_leave_a_negative_balance() -> None:
    outcome = told(programme(), purchase("p", 0, 100_00), redemption("x", 1, 80), refund("r", 2, "p", 100_00))
    assert entries(outcome)[1:] == [("redeem", "p:base", -80), ("reverse", "p:base", -100)]
    assert outcome.state.balance == -80
    assert remaining(outcome.state) == {"p:base": -80}


def test_of_points_partly_spent_and_partly_expired_two_refunds_take_only_the_spent_ones() -> None:
    rules = programme("lots: {expire_after_days: 10}\n" + EUROS)
    spent = [purchase("p", 0, 100_00), redemption("x", 1, 30)]
    outcome = told(rules, *spent, refund("r1", 20, "p", 25_00), refund("r2", 21, "p", 75_00))
    assert entries(outcome)[2:] == [("expire", "p:base", -70), ("reverse", "p:base", -25), ("reverse", "p:base", -5)]
    assert outcome.state.balance == -30


def test_a_refund_takes_points_that_are_there_before_any_that_were_spent() -> None:
    outcome = told(programme(), purchase("p", 0, 100_00), redemption("x", 1, 30), refund("r", 2, "p", 50_00))
    assert entries(outcome)[2:] == [("reverse", "p:base", -50)]
    assert remaining(outcome.state) == {"p:base": 20}


def test_three_refunds_take_of_expired_points_no_more_than_was_spent_of_them() -> None:
    rules = programme("lots: {expire_after_days: 10}\n" + EUROS)
    refunds = [refund("r1", 20, "p", 10_00), refund("r2", 21, "p", 10_00), refund("r3", 22, "p", 80_00)]
    outcome = told(rules, purchase("p", 0, 100_00), redemption("x", 1, 30), *refunds)
    assert entries(outcome)[3:] == [("reverse", "p:base", -10)] * 3


def test_what_was_refunded_is_taken_from_what_qualifies_once_and_bonuses_that_never_counted_are_not() -> None:
    rules = programme(EUROS + TIERS + "bonuses: [{id: welcome, on: first_purchase, points: 500}]")
    returned = [purchase("p", 0, 60_00), refund("r", 1, "p", 60_00), purchase("q", 2, 60_00)]
    assert tier_moves(told(rules, *returned, purchase("s", 3, 40_00)))[1:] == [("basic", "silver", "2025-01-04")]
    half = [purchase("p", 0, 60_00), refund("r", 1, "p", 30_00)]
    assert tier_moves(told(rules, *half, purchase("q", 2, 70_00)))[1:] == [("basic", "silver", "2025-01-03")]
    assert tier_moves(told(rules, *half, purchase("q", 2, 69_00)))[1:] == []


def test_a_line_that_is_back_whole_loses_nothing_more_to_a_refund_by_amount() -> None:
    rules = programme(EUROS + TIERS + WINE)
    bought = purchase("p", 0, 40_00, lines=[line("a", 20_00), line("b", 20_00, category="wine")])
    said = [bought, back(1, ("b", 20_00)), refund("r", 2, "p", 10_00)]
    outcome = told(rules, *said, purchase("q", 3, 90_00))
    assert [entry for entry in entries(outcome) if entry[0] == "reverse"] == [
        ("reverse", "p:base", -20),
        ("reverse", "p:wine", -20),
        ("reverse", "p:base", -10),
    ]
    assert tier_moves(outcome)[1:] == [("basic", "silver", "2025-01-04")], "10 and 90 qualify"


def test_a_refunded_purchase_no_longer_qualifies_for_a_tier() -> None:
    rules = programme(EUROS + TIERS)
    outcome = told(rules, purchase("p", 0, 90_00), refund("r", 1, "p", 90_00), purchase("q", 2, 90_00))
    assert outcome.state.standing is not None
    assert outcome.state.standing.level == 0


def test_a_third_refund_takes_what_the_first_two_have_left() -> None:
    outcome = told(
        programme(), purchase("p", 0, 100_00), refund("r", 1, "p", 30_00), refund("s", 2, "p", 30_00), refund("t", 3, "p", 20_00)
    )
    assert entries(outcome)[1:] == [("reverse", "p:base", -30), ("reverse", "p:base", -30), ("reverse", "p:base", -20)]
