"""Redemptions and adjustments: facts that are accepted are never decided again."""

from services.loyalty.lots import Lot
from services.loyalty.moments import FOREVER
from services.loyalty.moves import Entry
from tests.loyalty.profile_world import adjustment, moment, purchase, redemption, refund, written
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
    assert {(m.source_event, m.effective_at) for m in outcome.moves if isinstance(m, Entry) and m.kind == "settle"} == {("r", day(3))}


def test_a_colleague_gives_and_takes_points() -> None:
    outcome = told(programme(), adjustment("a", 0, 40), adjustment("b", 1, -15))
    assert entries(outcome) == [("adjust", "a:adjust", 40), ("adjust", "a:adjust", -15)]
    assert (outcome.state.balance, outcome.state.adjusted) == (25, 25)


def day(number: float) -> str:
    return written(moment(number))


def test_what_a_colleague_gave_never_expires_and_says_whose_word_it_was() -> None:
    outcome = told(programme(), adjustment("a", 1, 40))
    assert [move for move in outcome.moves if isinstance(move, Entry)] == [
        Entry("adjust", 40, "a:adjust", "a", "adjust", 1, day(1), day(1), None, "a")
    ]
    assert outcome.state.lots == (Lot(FOREVER, day(1), "a:adjust", "a", "adjust", 1, day(1), 40),)


def test_what_a_colleague_gave_makes_up_for_a_debt() -> None:
    outcome = told(programme(), redemption("x", 0, 30), adjustment("a", 1, 40))
    assert [(m.kind, m.source_event, m.effective_at) for m in outcome.moves if isinstance(m, Entry) and m.kind == "settle"] == [
        ("settle", "a", day(1)),
        ("settle", "a", day(1)),
    ]
    assert remaining(outcome.state) == {"a:adjust": 10}


def test_every_entry_of_a_redemption_says_which_one_when_and_of_which_lot() -> None:
    outcome = told(programme(), purchase("p", 0, 20_00), redemption("x", 1, 50))
    x = "redemption:x"
    assert [move for move in outcome.moves if isinstance(move, Entry)][1:] == [
        Entry("redeem", -20, "p:base", x, "base", 1, day(1), None, None, x),
        Entry("redeem", -30, f"{x}:redeem", x, "redeem", 1, day(1), None, None, x),
    ]
    assert outcome.state.debts == (Lot(FOREVER, day(1), f"{x}:redeem", x, "redeem", 1, day(1), -30),)


def test_the_debt_of_a_refund_is_dated_and_settled_by_what_made_it() -> None:
    rules = programme("lots: {expire_after_days: 50}\n" + EUROS)
    outcome = told(rules, purchase("p", 0, 100_00), redemption("x", 1, 100), refund("r", 3, "p", 100_00))
    assert outcome.state.debts == (Lot(FOREVER, day(3), "p:base", "p", "base", 1, day(0), -100),)


def test_a_debt_is_settled_at_once_by_points_that_a_redemption_could_not_take_yet() -> None:
    rules = programme("lots: {available_after_days: 3, expire_after_days: 50}\n" + EUROS)
    outcome = told(rules, purchase("p", 0, 100_00), redemption("x", 1, 30))
    settled = [move for move in outcome.moves if isinstance(move, Entry) and move.kind == "settle"]
    assert {(move.source_event, move.effective_at) for move in settled} == {("redemption:x", day(1))}
    assert remaining(outcome.state) == {"p:base": 70}


def test_points_are_available_from_their_very_moment_on() -> None:
    rules = programme("lots: {available_after_days: 3, expire_after_days: 50}\n" + EUROS)
    outcome = told(rules, purchase("p", 0, 1_00), purchase("q", 0, 1_00), redemption("x", 3, 1))
    assert entries(outcome)[2:] == [("redeem", "p:base", -1)]
