"""The pure fold against the plain reference, over facts that Hypothesis makes up."""

import itertools
from typing import Any

from hypothesis import event, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from services.loyalty.account import EMPTY, Outcome, advance, fold, insert, is_next, needs_history, step
from services.loyalty.facts import fact_key
from services.loyalty.moves import Entry, TierMove
from services.loyalty.posting import key_of
from services.loyalty.programme import Programme
from tests.examples import examples
from tests.loyalty.folding import fact, shown, shown_by, sums
from tests.loyalty.profile_world import identify, moment, purchase, redemption, refund, written
from tests.loyalty.reference import Reference
from tests.loyalty.scenarios import PROGRAMMES, earning_facts, quarters, several_facts
from tests.loyalty.told import EUROS, TIERS, programme, told

programmes = st.sampled_from(PROGRAMMES)
ends = quarters | st.integers(0, 900)


@settings(max_examples=examples(500), deadline=None)
@given(programmes, several_facts(), ends)
def test_the_fold_comes_to_what_the_plain_reference_comes_to(programme: Programme, said: list[dict[str, Any]], until: float) -> None:
    to = moment(until)
    outcome = fold(programme, [fact(one) for one in said], written(to))
    expected = Reference(programme).run(said, max(to, max(one["at"] for one in said)))
    assert shown(programme, outcome.state) == shown_by(expected)


@settings(max_examples=examples(200), deadline=None)
@given(programmes, several_facts(), ends)
def test_the_entries_of_each_lot_add_up_to_what_remains_of_it(programme: Programme, said: list[dict[str, Any]], until: float) -> None:
    outcome = fold(programme, [fact(one) for one in said], written(moment(until)))
    assert sums(outcome.moves) == shown(programme, outcome.state)["lots"]
    keys = [key_of(move) for move in outcome.moves if isinstance(move, Entry)]
    assert len(keys) == len(set(keys))


@settings(max_examples=examples(200), deadline=None)
@given(programmes, several_facts(), st.lists(quarters, max_size=4))
def test_stepping_fact_by_fact_is_folding_them_all(programme: Programme, said: list[dict[str, Any]], pauses: list[float]) -> None:
    facts = sorted((fact(one) for one in said), key=fact_key)
    state, moves = EMPTY, list[Entry | TierMove]()
    for known, one in enumerate(facts, 1):
        assert is_next(state, one)
        if needs_history(state, one):
            outcome = fold(programme, facts[:known], "")
            state, moves = outcome.state, list(outcome.moves)
        else:
            outcome = step(programme, state, one)
            state, moves = outcome.state, [*moves, *outcome.moves]
    ends = [written(moment(810 + pause)) for pause in sorted(pauses)]
    for end in ends:
        outcome = advance(programme, state, end)
        state, moves = outcome.state, [*moves, *outcome.moves]
    whole = fold(programme, facts, max(ends, default=""))
    assert state == whole.state
    assert moves == list(whole.moves)


@settings(max_examples=examples(1_000), deadline=None)
@given(programmes, several_facts() | earning_facts() | earning_facts(), st.data(), quarters)
def test_inserting_a_late_fact_is_folding_all_of_them_again(
    programme: Programme, said: list[dict[str, Any]], data: st.DataObject, pause: float
) -> None:
    facts = sorted((fact(one) for one in said), key=fact_key)
    late = data.draw(st.sampled_from(facts[1:-1] or facts))
    clock = data.draw(st.sampled_from(["", written(moment(pause))]))
    before, whole = fold(programme, [one for one in facts if one is not late], clock), fold(programme, facts, clock)
    inserted = None if is_next(before.state, late) else insert(programme, before.state, late, clock)
    event("inserted" if inserted else "needs all facts")
    if inserted is not None:
        assert inserted.state == whole.state
        assert sorted(map(repr, [*before.moves, *inserted.moves])) == sorted(map(repr, whole.moves))


def test_a_late_purchase_between_others_that_only_earn_needs_no_history() -> None:
    for rules in PROGRAMMES:
        before = told(rules, purchase("first", 0, 10), purchase("last", 2, 10)).state
        assert insert(rules, before, fact(purchase("late", 1, 10)), "") is not None


def late_at(day: float, rules: Programme, *said: dict[str, Any], clock: str = "") -> Outcome | None:
    return insert(rules, told(rules, *said).state, fact(purchase("late", day, 10_00)), clock)


def test_a_late_purchase_before_points_were_spent_or_a_debt_was_settled_needs_the_history_and_one_after_it_none() -> None:
    spent = [purchase("a", 0, 100_00), purchase("b", 4, 100_00), redemption("spent", 5, 150), purchase("c", 9, 10_00)]
    settled = [purchase("a", 0, 10_00), redemption("spent", 1, 20), purchase("b", 4, 100_00), purchase("c", 9, 10_00)]
    for said in (spent, settled):
        assert late_at(2, PROGRAMMES[3], *said) is None
        assert late_at(6, PROGRAMMES[3], *said) is not None


def test_a_late_purchase_before_a_birthday_whose_points_settled_a_debt_needs_the_history() -> None:
    rules = programme(EUROS + "\nbonuses: [{id: birthday, on: birthday, points: 30}]")
    said = [purchase("a", 0, 10_00), identify("i", 0, "01-05"), redemption("spent", 1, 20), purchase("c", 9, 10_00)]
    assert told(rules, *said).state.debts == ()
    assert late_at(2, rules, *said) is None
    assert late_at(6, rules, *said) is not None


def test_a_late_purchase_earns_what_its_tier_earned_then() -> None:
    said = [purchase("a", 0, 350_00), purchase("b", 1, 10_00), purchase("c", 9, 10_00)]
    rules = programme(EUROS + TIERS)
    inserted = late_at(5, rules, *said)
    assert inserted is not None
    assert inserted.state == told(rules, *said, purchase("late", 5, 10_00)).state


def test_a_late_purchase_whose_points_would_have_expired_by_now_needs_the_history() -> None:
    rules = programme(EUROS + "\nlots: {expire_after_days: 10}")
    said = [purchase("a", 0, 10_00), purchase("b", 12, 10_00)]
    assert late_at(1, rules, *said) is None
    assert late_at(3, rules, *said) is not None
    assert late_at(3, rules, *said, clock=written(moment(13))) is None, "this very moment"


def test_what_points_were_owed_for_or_a_refund_waits_for_needs_the_history_of_its_account() -> None:
    late = fact(purchase("late", 3, 10))
    owing = told(PROGRAMMES[3], purchase("first", 0, 10), redemption("spent", 1, 40), purchase("last", 4, 10)).state
    assert owing.debts
    assert insert(PROGRAMMES[3], replace(owing, turn=""), late, "") is None
    waited_for = told(PROGRAMMES[3], purchase("first", 0, 10), refund("r", 1, "late", 10), purchase("last", 4, 10)).state
    assert insert(PROGRAMMES[3], waited_for, late, "") is None
    assert insert(PROGRAMMES[3], waited_for, fact(purchase("other", 3, 10)), "") is not None


@settings(max_examples=examples(30), deadline=None)
@given(programmes, several_facts(most=4))
def test_the_order_in_which_facts_are_handed_over_does_not_matter(programme: Programme, said: list[dict[str, Any]]) -> None:
    facts = [fact(one) for one in said]
    outcomes = {repr(fold(programme, order, written(moment(900)))) for order in itertools.permutations(facts)}
    assert len(outcomes) == 1


def test_of_no_facts_nothing_comes() -> None:
    assert fold(PROGRAMMES[0], [], written(moment(900))).state == EMPTY


def test_a_refund_needs_the_history_and_so_does_the_order_that_it_waited_for_and_no_other() -> None:
    waiting = told(PROGRAMMES[0], refund("r", 0, "p", 10_00)).state
    assert needs_history(waiting, fact(purchase("p", 1, 100_00)))
    assert not needs_history(waiting, fact(purchase("q", 1, 100_00)))
    assert needs_history(EMPTY, fact(refund("r", 0, "p", 10_00)))
