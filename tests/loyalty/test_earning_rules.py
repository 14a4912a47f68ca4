"""What a purchase earns."""

from fractions import Fraction

import pytest

from tests.loyalty.profile_world import line, purchase
from tests.loyalty.told import EUROS, TIERS, entries, programme, told


def test_a_purchase_earns_points_for_each_whole_unit_of_its_currency() -> None:
    assert entries(told(programme(), purchase("p", 0, 12_34))) == [("earn", "p:base", 12)]


@pytest.mark.parametrize(("currency", "total", "points"), [("EUR", 250, 2), ("JPY", 250, 250), ("KWD", 2_500, 2)])
def test_a_major_unit_has_as_many_minor_units_as_its_currency_says(currency: str, total: int, points: int) -> None:
    rules = programme(f"earn: [{{id: base, currency: {currency}, points: 1}}]")
    assert entries(told(rules, purchase("p", 0, total, currency=currency))) == [("earn", "p:base", points)]


def test_a_currency_without_a_rule_earns_nothing() -> None:
    assert entries(told(programme(), purchase("p", 0, 12_34, currency="USD"))) == []


@pytest.mark.parametrize(("rounding", "points"), [("down", 1), ("half_up", 2), ("up", 2)])
def test_an_entry_is_rounded_once_as_the_programme_says(rounding: str, points: int) -> None:
    rules = programme(f"rounding: {rounding}\n{EUROS}")
    assert entries(told(rules, purchase("p", 0, 150))) == [("earn", "p:base", points)]
    assert rules.rounded(3, 2) == points
    assert rules.rounded(4, 2) == 2


def test_tax_and_shipping_earn_nothing_unless_the_programme_counts_them() -> None:
    bought = purchase("p", 0, 100_00, tax=16_00, shipping=5_00)
    assert entries(told(programme(), bought)) == [("earn", "p:base", 79)]
    assert entries(told(programme("exclude: {tax: false, shipping: false}\n" + EUROS), bought)) == [("earn", "p:base", 100)]


def test_excluded_categories_and_sources_earn_nothing() -> None:
    rules = programme("exclude: {categories: [voucher], sources: [staff]}\n" + EUROS)
    lines = [line("a", 30_00), line("b", 70_00, category="voucher")]
    assert entries(told(rules, purchase("p", 0, 100_00, lines=lines))) == [("earn", "p:base", 30)]
    assert entries(told(rules, purchase("p", 0, 100_00, source="staff"))) == []


def test_a_category_multiplier_adds_an_entry_of_its_own_for_the_lines_of_that_category() -> None:
    rules = programme(EUROS + "\nmultipliers: [{id: wine, version: 3, factor: 3, categories: [wine]}]")
    lines = [line("a", 30_00), line("b", 10_00, 2, category="wine")]
    outcome = told(rules, purchase("p", 0, 50_00, lines=lines))
    assert entries(outcome) == [("earn", "p:base", 50), ("earn", "p:wine", 40)]
    assert [(lot.rule, lot.version) for lot in outcome.state.lots] == [("base", 1), ("wine", 3)]


def test_a_discount_is_shared_among_the_lines_by_their_prices() -> None:
    rules = programme(EUROS + "\nmultipliers: [{id: wine, factor: 2, categories: [wine]}]")
    lines = [line("a", 30_00), line("b", 10_00, category="wine")]
    assert entries(told(rules, purchase("p", 0, 20_00, lines=lines)))[1] == ("earn", "p:wine", 5)


def test_lines_without_prices_share_by_quantity() -> None:
    rules = programme(EUROS + "\nmultipliers: [{id: wine, factor: 2, categories: [wine]}]")
    lines = [line("a", None, 3), line("b", None, 1, category="wine")]
    assert entries(told(rules, purchase("p", 0, 20_00, lines=lines)))[1] == ("earn", "p:wine", 5)


def test_several_multipliers_add_up_instead_of_multiplying_each_other() -> None:
    rules = programme(EUROS + "\nmultipliers: [{id: double, factor: 2}, {id: app, factor: 1.5, sources: [app]}]")
    assert entries(told(rules, purchase("p", 0, 100_00, source="app"))) == [
        ("earn", "p:base", 100),
        ("earn", "p:double", 100),
        ("earn", "p:app", 50),
    ]
    assert len(entries(told(rules, purchase("p", 0, 100_00, source="shop")))) == 2


def test_a_multiplier_adds_to_all_that_several_rules_of_a_currency_earn() -> None:
    two = "earn: [{id: base, currency: EUR, points: 1}, {id: more, currency: EUR, points: 0.5}]"
    rules = programme(two + "\nmultipliers: [{id: double, factor: 2}]")
    assert entries(told(rules, purchase("p", 0, 100_00))) == [("earn", "p:base", 100), ("earn", "p:more", 50), ("earn", "p:double", 150)]


def test_an_order_for_nothing_earns_nothing() -> None:
    rules = programme("earn: [{id: base, currency: JPY, points: 1}]")
    assert entries(told(rules, purchase("p", 0, 0, currency="JPY"))) == []


def test_the_tier_in_force_before_the_purchase_multiplies_it() -> None:
    rules = programme(EUROS + TIERS)
    outcome = told(rules, purchase("p", 0, 120_00), purchase("q", 1, 10_00))
    assert entries(outcome) == [("earn", "p:base", 120), ("earn", "q:base", 10), ("earn", "q:tier-silver", 5)]


def test_a_rule_holds_from_its_first_day_until_its_last_and_each_entry_names_the_version() -> None:
    first = "{id: base, currency: EUR, points: 1, until: 2025-01-11}"
    rules = programme(f"earn: [{first}, {{id: base, version: 2, currency: EUR, points: 2, from: 2025-01-11}}]")
    before, after = purchase("p", 9.99, 10_00), purchase("q", 10, 10_00)
    outcome = told(rules, before, after)
    assert entries(outcome) == [("earn", "p:base", 10), ("earn", "q:base", 20)]
    assert [lot.version for lot in outcome.state.lots] == [1, 2]


def test_fractions_of_a_point_are_exact() -> None:
    rules = programme("earn: [{id: base, currency: EUR, points: 0.1}]")
    assert rules.earn[0].rate == Fraction(1, 1000)
    assert entries(told(rules, purchase("p", 0, 10_00))) == [("earn", "p:base", 1)]
