"""Spending points: accepted where they are there, once a command, and a fact from then on."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.loyalty_events import RedemptionAccepted
from services.loyalty.facts import Redemption
from services.loyalty.lots import Lot
from services.loyalty.moments import FOREVER
from services.loyalty.redeeming import Accepted, OtherContent, Possible, Redeem, TooFew, Unknown, decided, main_anchor
from services.runtime.event_store_memory import MemoryDatabase
from tests.loyalty.installation import Installation, assert_ledger
from tests.loyalty.profile_world import World, identifier, moment, purchase, refund, written
from tests.loyalty.told import EUROS, TIERS, programme, told

ANN, GUS = identifier("ann"), identifier("gus")
EXPIRING = EUROS + "\nlots: {expire_after_days: 10}"
LATER = EUROS + "\nlots: {available_after_days: 3}"


def reading(rules: str, *facts: tuple[str, dict[str, Any]], day: float = 50) -> tuple[Installation, World]:
    """Each fact read in a batch of its own; then it is that day."""
    installation, world = Installation(programme(rules)), World()
    for name, fact in facts:
        installation.read([world.touch(name, fact)])
    installation.tick(day)
    return installation, world


def balances(installation: Installation) -> dict[str, int]:
    return {id: account["balance"] for id, account in installation.accounts().items() if account["merged_into"] is None}


def test_points_that_are_there_are_spent_and_everything_about_it_is_said() -> None:
    installation, _ = reading(EUROS, ("ann", purchase("p", 0, 100_00)))
    answer = installation.redeem("r1", "ann", 70, "a kettle")
    assert isinstance(answer, Accepted)
    events = [event for event in installation.events() if event.type == "redemption_accepted"]
    assert RedemptionAccepted.model_validate_json(events[0].state).model_dump() == {
        "account_id": ANN,
        "sequence": 2,
        "recorded_at": written(moment(50)),
        "cause": "redemption:r1",
        "event": "redemption_accepted",
        "redemption_id": "r1",
        "customer_id": ANN,
        "anchor": ANN,
        "points": 70,
        "occurred_at": written(moment(50)),
        "source": "till",
        "why": "a kettle",
        "balance": 30,
    }
    entry = installation.entries(ANN)[-1]
    assert (entry["kind"], entry["amount"], entry["lot_id"], entry["source_event"]) == ("redeem", -70, "p:base", "redemption:r1")
    account = installation.account(ANN)
    assert (account["balance"], account["available"], account["redeemed"]) == (30, 30, 70)
    assert_ledger(installation, ANN, account)


def test_more_than_there_is_is_refused_with_the_balance_and_leaves_nothing_behind() -> None:
    installation, _ = reading(EUROS, ("ann", purchase("p", 0, 100_00)))
    before = installation.events()
    assert installation.redeem("r1", "ann", 101) == TooFew(balance=100, available=100)
    assert installation.events() == before
    assert isinstance(installation.redeem("r1", "ann", 100), Accepted), "its id is still free"


def test_points_that_wait_or_have_expired_cannot_be_spent() -> None:
    waiting, _ = reading(LATER, ("ann", purchase("p", 0, 100_00)), day=2)
    assert waiting.redeem("r1", "ann", 1) == TooFew(balance=100, available=0)
    overdue, world = reading(EXPIRING, day=50)
    overdue.read([world.touch("ann", purchase("p", 0, 100_00))])
    assert overdue.redeem("r1", "ann", 1) == TooFew(balance=0, available=0), "though no clock has ticked since"


def test_points_that_expire_first_are_spent_first() -> None:
    installation, _ = reading(EXPIRING, ("ann", purchase("q", 5, 30_00)), ("ann", purchase("p", 1, 20_00)), day=6)
    installation.redeem("r1", "ann", 25)
    assert [(one["lot_id"], one["amount"]) for one in installation.entries(ANN)[-2:]] == [("p:base", -20), ("q:base", -5)]


def test_the_same_command_again_spends_nothing_more_and_is_answered_the_same() -> None:
    installation, _ = reading(EUROS, ("ann", purchase("p", 0, 100_00)))
    first = installation.redeem("r1", "ann", 70)
    before = installation.events()
    installation.forget()
    again = installation.redeem("r1", "ann", 70)
    assert isinstance(first, Accepted)
    assert again == Accepted(first.said, repeated=True)
    assert installation.events() == before


def test_an_id_that_was_used_for_something_else_is_a_conflict() -> None:
    installation, _ = reading(EUROS, ("ann", purchase("p", 0, 100_00)), ("gus", purchase("q", 0, 100_00)))
    installation.redeem("r1", "ann", 70, "a kettle")
    for other in (("ann", 69, "a kettle"), ("ann", 70, "a lamp"), ("gus", 70, "a kettle"), ("nobody", 70, "a kettle")):
        assert installation.redeem("r1", *other) == OtherContent(70)
    assert balances(installation) == {ANN: 30, GUS: 100}


def test_nobody_has_no_points_and_whoever_bought_nothing_has_none() -> None:
    installation, world = reading(EUROS, ("ann", purchase("p", 0, 100_00)))
    assert installation.redeem("r1", "nobody", 1) == Unknown()
    world.holders[identifier("mail")] = identifier("cyd")
    world.move("mail", "hal")
    installation.read(world.everything()[-2:])
    assert installation.redeem("r1", "mail", 1) == TooFew(0, 0)


def test_any_id_that_a_merged_customer_ever_had_spends_what_the_survivor_has() -> None:
    installation, world = reading(EUROS, ("ann", purchase("p", 0, 100_00)), ("gus", purchase("q", 0, 50_00)))
    read = len(world.everything())
    world.merge("ann", "gus")
    installation.read(world.everything()[read:])
    first = installation.redeem("r1", "gus", 120)
    assert isinstance(first, Accepted)
    assert (first.said.account_id, first.said.customer_id) == (ANN, GUS)
    assert installation.redeem("r1", "ann", 120) == Accepted(first.said, repeated=True)
    assert balances(installation) == {ANN: 30}


def test_a_redemption_goes_with_the_points_that_it_spent() -> None:
    """Merged, spent, and separated again: nobody pays for what another spent."""
    installation, world = reading(EUROS, ("ann", purchase("p", 0, 20_00)), ("gus", purchase("q", 0, 90_00)))
    world.merge("ann", "gus")
    installation.read(world.everything()[2:])
    installation.redeem("r1", "ann", 110)
    read = len(world.everything())
    world.leave("gus")
    installation.read(world.everything()[read:])
    assert balances(installation) == {ANN: 20, GUS: -20}
    assert [installation.account(id)["redeemed"] for id in (ANN, GUS)] == [0, 110]


def test_a_refund_of_spent_points_leaves_the_account_below_zero_and_a_late_purchase_makes_up_for_it() -> None:
    installation, world = reading(EUROS, ("ann", purchase("p", 0, 100_00)))
    installation.redeem("r1", "ann", 80)
    installation.read([world.touch("ann", refund("b", 51, "p", 100_00))])
    assert installation.account(ANN)["balance"] == -80
    assert installation.redeem("r2", "ann", 1) == TooFew(-80, 0)
    installation.read([world.touch("ann", purchase("q", 0, 85_00))])
    assert installation.redeem("r2", "ann", 6) == TooFew(5, 5)
    assert isinstance(installation.redeem("r2", "ann", 5), Accepted)


def test_a_redemption_comes_after_all_that_its_account_knows_though_a_clock_ran_ahead() -> None:
    """Or points that were spent tomorrow, by a clock that ran ahead, could be spent today once more."""
    installation, _ = reading(EUROS, ("ann", purchase("p", 51, 100_00)))
    answers = installation.answer(*(Redeem(id, ANN, 60, "", "till") for id in ("a", "b")))
    assert isinstance(answers[0], Accepted)
    assert answers[0].said.occurred_at == written(moment(51))[:-2] + "1Z"
    assert answers[1] == TooFew(40, 40)


def test_a_changed_programme_counts_before_points_are_spent() -> None:
    database = MemoryDatabase()
    installation, world = Installation(programme(EUROS), database), World()
    installation.read([world.touch("ann", purchase("p", 0, 100_00))])
    installation.store.finish()
    changed = Installation(programme(EUROS.replace("points: 1", "points: 2")), database)
    answers = changed.answer(*(Redeem(id, ANN, 150, "", "till") for id in ("a", "b")))
    assert isinstance(answers[0], Accepted)
    assert answers[1] == TooFew(50, 50)
    assert_ledger(changed, ANN, changed.account(ANN))


def test_whoever_builds_accounts_again_takes_redemptions_from_what_was_published() -> None:
    installation, world = reading(EUROS, ("ann", purchase("p", 0, 100_00)), ("gus", purchase("q", 0, 90_00)))
    installation.redeem("r1", "ann", 70)
    installation.redeem("r2", "gus", 90)
    again = Installation(programme(EUROS))
    for event in installation.events():
        if event.type == "redemption_accepted":
            record = world.everything()[0]
            again.read([type(record)(event.state, [("id", b"%d" % event.id)], 0, topic="loyalty-events")])
    again.read(world.everything())
    again.clock.set(installation.clock.now_ms())
    assert again.accounts().keys() == installation.accounts().keys()
    unlike = {"sequence": 0}
    assert [again.account(id) | unlike for id in (ANN, GUS)] == [installation.account(id) | unlike for id in (ANN, GUS)]
    assert again.redeem("r1", "ann", 70) == installation.redeem("r1", "ann", 70), "and a repeat is known"


def lot(of: str, points: int) -> tuple[Lot, int]:
    return Lot(FOREVER, written(moment(0)), f"{of}:base", of, "base", 1, written(moment(0)), points), points


def test_a_redemption_is_kept_under_whoever_earned_most_of_what_it_takes() -> None:
    earned_under = {"p": ANN, "q": GUS, "r": ANN}
    assert main_anchor([lot("p", 30), lot("q", 40), lot("r", 20)], earned_under) == ANN, "50 in two lots"
    assert main_anchor([lot("p", 30), lot("q", 60), lot("r", 20)], earned_under) == GUS
    assert main_anchor([lot("q", 50), lot("p", 50)], earned_under) == GUS, "of equals the one that is used up first"


def test_a_tier_that_ends_before_points_are_spent_is_looked_at_first() -> None:
    rules = programme(EUROS + TIERS)
    state = told(rules, purchase("p", 0, 100_00), purchase("q", 1, 50_00)).state
    command = Redeem("r1", ANN, 100, "", "till")
    assert decided(rules, state, command, written(moment(40))) == Possible(
        Redemption(written(moment(40)), "redemption:r1", 100), [(state.lots[0], 100)], 75
    )


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 60)), min_size=1, max_size=25), st.integers(1, 150), st.data())
def test_whatever_is_asked_together_the_balance_never_falls_below_zero_and_nothing_affordable_is_refused(
    asked: list[tuple[int, int]], euros: int, data: st.DataObject
) -> None:
    installation, _ = reading(EUROS, ("ann", purchase("p", 0, euros * 100)))
    left, accepted = euros, dict[int, int]()
    while asked:
        together, asked = asked[: (size := data.draw(st.integers(1, len(asked))))], asked[size:]
        answers = installation.answer(*(Redeem(f"r{id}", ANN, points, "", "till") for id, points in together))
        for (id, points), answer in zip(together, answers, strict=True):
            if id in accepted:
                assert isinstance(answer, Accepted if accepted[id] == points else OtherContent)
            elif points <= left:
                assert isinstance(answer, Accepted)
                left -= points
                accepted[id] = points
            else:
                assert answer == TooFew(left, left)
    assert installation.account(ANN)["balance"] == left
    assert json.loads(installation.events()[-1].state)["balance"] == left
