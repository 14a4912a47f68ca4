"""Redemptions and adjustments: facts that are accepted are never decided again."""

from tests.loyalty.profile_world import adjustment, purchase, redemption, refund
from tests.loyalty.told import EUROS, entries, programme, remaining, told

SHORT_WINE = EUROS + "\nmultipliers: [{id: app, factor: 2, sources: [app], expire_after_days: 5}]\nlots: {expire_after_days: 50}"


def test_a_redemption_takes_the_points_that_expire_first() -> None:
    outcome = told(programme(SHORT_WINE), purchase("p", 0, 100_00, source="app"), purchase("q", 1, 50_00), redemption("x", 2, 130))
    assert entries(outcome)[3:] == [("redeem", "p:app", -100), ("redeem", "p:base", -30)]
    assert remaining(outcome.state) == {"p:base": 70, "q:base": 50}


def test_a_redemption_takes_no_points_that_are_not_available_yet_while_others_are() -> None:
    rules = programme("lots: {available_after_days: 3, expire_after_days: 50}\n" + EUROS)
    outcome = told(rules, purchase("p", 0, 100_00), adjustment("a", 1, 40), redemption("x", 2, 30))
    assert entries(outcome)[2:] == [("redeem", "a:adjust", -30)]


def test_an_accepted_redemption_that_is_no_longer_covered_becomes_a_debt() -> None:
    outcome = told(programme(), purchase("p", 0, 20_00), redemption("x", 1, 50))
    assert entries(outcome)[1:] == [("redeem", "p:base", -20), ("redeem", "redemption:x:redeem", -30)]
    assert remaining(outcome.state) == {"redemption:x:redeem": -30}
    assert outcome.state.balance == -30


def test_new_points_make_up_for_a_debt_first_and_do_not_expire_twice() -> None:
    rules = programme("lots: {expire_after_days: 10}\n" + EUROS)
    outcome = told(rules, redemption("x", 0, 30), purchase("p", 1, 100_00), until=20)
    assert entries(outcome)[1:] == [
        ("earn", "p:base", 100),
        ("settle", "p:base", -30),
        ("settle", "redemption:x:redeem", 30),
        ("expire", "p:base", -70),
    ]
    assert outcome.state.balance == 0


def test_a_refund_of_spent_points_is_made_up_for_by_other_points() -> None:
    outcome = told(programme(), purchase("p", 0, 100_00), redemption("x", 1, 100), purchase("q", 2, 60_00), refund("r", 3, "p", 100_00))
    assert entries(outcome)[3:] == [("reverse", "p:base", -100), ("settle", "q:base", -60), ("settle", "p:base", 60)]
    assert remaining(outcome.state) == {"p:base": -40}


def test_a_colleague_gives_and_takes_points() -> None:
    outcome = told(programme(), adjustment("a", 0, 40), adjustment("b", 1, -15))
    assert entries(outcome) == [("adjust", "a:adjust", 40), ("adjust", "a:adjust", -15)]
    assert (outcome.state.balance, outcome.state.adjusted) == (25, 25)
