"""Tiers in a trailing window, and bonuses for occasions."""

from services.loyalty import tiers
from services.loyalty.account import Outcome
from services.loyalty.moments import day_number
from services.loyalty.moves import Entry
from tests.loyalty.profile_world import identify, line, moment, purchase, redemption, refund, survey, written
from tests.loyalty.told import EUROS, TIERS, entries, programme, tier_moves, tiers_kept, told


def bonus_moments(outcome: Outcome) -> list[str]:
    return [move.effective_at for move in outcome.moves if isinstance(move, Entry) and move.kind == "bonus"]


BASIC = (None, "basic", "2025-01-01")


def test_an_account_opens_in_the_lowest_tier_and_rises_at_once() -> None:
    outcome = told(programme(EUROS + TIERS), purchase("p", 0, 350_00))
    assert tier_moves(outcome) == [BASIC, ("basic", "gold", "2025-01-01")]


def test_purchases_add_up_over_the_window_and_no_longer() -> None:
    rules = programme(EUROS + TIERS)
    assert tier_moves(told(rules, purchase("p", 0, 60_00), purchase("q", 29, 60_00)))[1:] == [("basic", "silver", "2025-01-30")]
    assert tier_moves(told(rules, purchase("p", 0, 60_00), purchase("q", 30, 60_00)))[1:] == []


def test_purchases_of_one_day_and_of_several_add_up() -> None:
    rules = programme(EUROS + TIERS)
    several = [purchase("o", 0, 10_00), purchase("n", 1, 15_00), purchase("p", 2, 40_00), purchase("q", 2.5, 25_00)]
    assert tier_moves(told(rules, *several, purchase("s", 3, 10_00)))[1:] == [("basic", "silver", "2025-01-04")]
    assert tier_moves(told(rules, *several, purchase("s", 3, 9_00)))[1:] == []


def test_of_two_purchases_of_one_day_only_the_refunded_one_no_longer_counts() -> None:
    rules = programme(EUROS + TIERS)
    said = [purchase("p", 0, 40_00), purchase("q", 0.5, 40_00), refund("r", 1, "p", 40_00)]
    assert tier_moves(told(rules, *said, purchase("s", 2, 60_00)))[1:] == [("basic", "silver", "2025-01-03")]
    assert tier_moves(told(rules, *said, purchase("s", 2, 59_00)))[1:] == []


def test_what_leaves_the_window_takes_nothing_else_with_it() -> None:
    outcome = told(programme(EUROS + TIERS), purchase("p", 0, 10_00), purchase("q", 2, 50_00), purchase("r", 31, 50_00))
    assert tier_moves(outcome)[1:] == [("basic", "silver", "2025-02-01")]


def test_a_tier_is_kept_by_the_first_day_of_the_window_and_not_by_the_day_before() -> None:
    rules, risen = programme(EUROS + TIERS), purchase("p", 0, 120_00)
    assert tier_moves(told(rules, risen, purchase("q", 11, 100_00), until=45))[2:] == []
    assert tier_moves(told(rules, risen, purchase("q", 10, 100_00), until=45))[2:] == [("silver", "basic", "2025-02-15")]


def test_a_tier_that_was_saved_has_a_grace_of_its_own_again() -> None:
    rules = programme(EUROS + TIERS)
    said = [purchase("p", 0, 120_00), purchase("q", 42, 110_00), refund("r", 50, "q", 110_00)]
    assert tier_moves(told(rules, *said, until=66.9))[2:] == []
    assert tier_moves(told(rules, *said, until=67))[2:] == [("silver", "basic", "2025-03-09")]


def test_a_tier_that_still_qualifies_when_its_period_ends_is_kept_for_another() -> None:
    outcome = told(programme(EUROS + TIERS), purchase("p", 0, 120_00), until=21)
    assert tier_moves(outcome) == [BASIC, ("basic", "silver", "2025-01-01")]
    assert tiers_kept(outcome) == [("silver", "2025-01-21")]
    assert outcome.state.standing is not None
    assert outcome.state.standing.until == written(moment(40))


def test_a_tier_that_no_longer_qualifies_is_kept_for_the_grace_and_then_falls() -> None:
    rules, bought = programme(EUROS + TIERS), purchase("p", 0.5, 120_00)
    assert tier_moves(told(rules, bought, until=45))[1:] == [("basic", "silver", "2025-01-01")]
    assert tier_moves(told(rules, bought, until=45.5))[1:] == [("basic", "silver", "2025-01-01"), ("silver", "basic", "2025-02-15")]


def test_a_tier_falls_as_far_as_the_window_says() -> None:
    outcome = told(programme(EUROS + TIERS), purchase("p", 0, 350_00), purchase("q", 20, 60_00), until=50)
    assert tier_moves(outcome)[1:] == [("basic", "gold", "2025-01-01"), ("gold", "silver", "2025-02-15")]


def test_a_purchase_within_the_grace_saves_the_tier_for_a_period() -> None:
    outcome = told(programme(EUROS + TIERS), purchase("p", 0, 120_00), purchase("q", 42, 110_00), until=61)
    assert tier_moves(outcome) == [BASIC, ("basic", "silver", "2025-01-01")]
    assert outcome.state.standing is not None
    assert outcome.state.standing.until == written(moment(62))


SPEND = TIERS.replace("{window", "{by: spend, currency: EUR, window").replace("threshold: 100", "threshold: 10000")
BY_SPEND = EUROS + SPEND.replace("threshold: 300", "threshold: 30000")


def test_tiers_may_go_by_spend_in_one_currency() -> None:
    rules = programme(BY_SPEND)
    assert tier_moves(told(rules, purchase("p", 0, 99_99)))[1:] == []
    assert tier_moves(told(rules, purchase("p", 0, 100_00)))[1:] == [("basic", "silver", "2025-01-01")]
    assert tier_moves(told(rules, purchase("p", 0, 100_00, currency="USD")))[1:] == []


def test_money_given_back_no_longer_counts_as_spent_once_and_for_each_refund() -> None:
    rules = programme(BY_SPEND)
    refunds = [refund(f"r{day}", day, "p", amount) for day, amount in ((1, 20_00), (2, 20_00), (3, 10_00))]
    assert tier_moves(told(rules, purchase("p", 0, 60_00), *refunds, purchase("q", 4, 90_00)))[1:] == [("basic", "silver", "2025-01-05")]
    assert tier_moves(told(rules, purchase("p", 0, 60_00), *refunds, purchase("q", 4, 89_99)))[1:] == []


def test_money_given_back_for_what_never_counted_leaves_what_was_spent_as_it_is() -> None:
    rules = programme("exclude: {categories: [voucher]}\n" + BY_SPEND)
    bought = purchase("p", 0, 100_00, lines=[line("a", 60_00), line("v", 40_00, category="voucher")])
    voucher_back = refund("r", 1, "p", 40_00, lines=[{"sku": "v", "amount": 40_00}])
    assert tier_moves(told(rules, bought, voucher_back, purchase("q", 2, 40_00)))[1:] == [("basic", "silver", "2025-01-03")]


def test_bonus_points_count_towards_a_tier_only_where_the_rule_says_so() -> None:
    bonus = "\nbonuses: [{id: welcome, on: first_purchase, points: 500%s}]"
    assert tier_moves(told(programme(EUROS + TIERS + bonus % ""), purchase("p", 0, 1_00)))[1:] == []
    counted = told(programme(EUROS + TIERS + bonus % ", qualifies: true"), purchase("p", 0, 1_00))
    assert tier_moves(counted)[1:] == [("basic", "gold", "2025-01-01")]


def test_the_first_purchase_in_fact_order_brings_the_welcome_bonus() -> None:
    rules = programme(EUROS + "\nbonuses: [{id: welcome, on: first_purchase, points: 50}]")
    outcome = told(rules, purchase("later", 5, 10_00), purchase("first", 1, 10_00))
    assert ("bonus", "first:welcome", 50) in entries(outcome)
    assert len(entries(outcome)) == 3


SURVEYS = EUROS + "\nbonuses: [{id: thanks, on: survey, points: 10, at_most_every_days: 30}]"


def test_an_answered_survey_is_thanked_for_at_most_as_often_as_the_rule_says() -> None:
    answers = [survey("s1", 1), survey("s2", 30.9), survey("s3", 31)]
    outcome = told(programme(SURVEYS), purchase("p", 0, 10_00), *answers)
    assert entries(outcome)[1:] == [("bonus", "s1:thanks", 10), ("bonus", "s3:thanks", 10)]


def test_who_never_bought_is_not_thanked_unless_the_rule_says_so() -> None:
    assert entries(told(programme(SURVEYS), survey("s", 1))) == []
    assert entries(told(programme(SURVEYS.replace("points: 10", "points: 10, after_purchase: false")), survey("s", 1))) != []


def test_the_thanks_for_a_survey_make_up_for_a_debt_at_once() -> None:
    outcome = told(programme(SURVEYS), purchase("p", 0, 10_00), redemption("x", 1, 15), survey("s", 2))
    settled = [move for move in outcome.moves if isinstance(move, Entry) and move.kind == "settle"]
    assert [(move.amount, move.source_event, move.effective_at) for move in settled] == [
        (-5, "s", written(moment(2))),
        (5, "s", written(moment(2))),
    ]


BIRTHDAYS = EUROS + "\nbonuses: [{id: gift, on: birthday, points: 30, expire_after_days: 10}]"


def test_a_birthday_brings_points_at_its_first_moment_each_year() -> None:
    outcome = told(programme(BIRTHDAYS), purchase("p", 0, 10_00), identify("i", 1, "03-10"), until=440)
    gifts = [entry for entry in entries(outcome) if entry[0] != "earn"]
    assert gifts == [
        ("bonus", "i:gift:2025", 30),
        ("expire", "i:gift:2025", -30),
        ("bonus", "i:gift:2026", 30),
    ]
    assert bonus_moments(outcome)[0] == "2025-03-10T00:00:00.000000Z"


def test_whoever_moves_his_birthday_gets_no_second_gift_in_the_year() -> None:
    outcome = told(programme(BIRTHDAYS), purchase("p", 0, 10_00), identify("i", 1, "01-20"), identify("j", 30, "03-10"), until=300)
    assert [entry for entry in entries(outcome) if entry[0] == "bonus"] == [("bonus", "i:gift:2025", 30)]


def test_a_birthday_that_is_told_at_its_first_moment_is_kept_from_the_next_year_on() -> None:
    outcome = told(programme(BIRTHDAYS), purchase("p", 0, 10_00), identify("i", 1, "01-02"), until=300)
    assert bonus_moments(outcome) == []


def test_a_birthday_that_was_taken_back_brings_nothing() -> None:
    outcome = told(programme(BIRTHDAYS), purchase("p", 0, 10_00), identify("i", 1, "03-10"), identify("j", 2, None), until=300)
    assert [entry for entry in entries(outcome) if entry[0] == "bonus"] == []


def test_a_birthday_on_29_february_is_kept_on_the_28th_in_other_years() -> None:
    outcome = told(programme(BIRTHDAYS), purchase("p", 0, 10_00), identify("i", 1, "02-29"), until=60)
    assert bonus_moments(outcome) == ["2025-02-28T00:00:00.000000Z"]


def test_before_the_first_purchase_a_birthday_brings_nothing() -> None:
    assert entries(told(programme(BIRTHDAYS), identify("i", 1, "03-10"), until=300)) == []


def test_a_birthday_may_raise_the_tier_and_makes_up_for_a_debt_at_its_own_moment() -> None:
    rules = programme(EUROS + TIERS + "bonuses: [{id: gift, on: birthday, points: 200, qualifies: true}]")
    said = [purchase("p", 0, 10_00), identify("i", 1, "01-20"), redemption("x", 2, 30)]
    outcome = told(rules, *said, until=25)
    gift = [move for move in outcome.moves if isinstance(move, Entry) and move.effective_at.startswith("2025-01-20")]
    assert [(move.kind, move.amount, move.rule, move.source_event, move.cause) for move in gift] == [
        ("bonus", 200, "gift", "i", "clock"),
        ("settle", -20, "gift", "i", "clock"),
        ("settle", 20, "redeem", "i", "clock"),
    ]
    assert tier_moves(outcome)[1:] == [("basic", "silver", "2025-01-20")]


FIRST_DAY = day_number(written(moment(0)))


def inserted(day: int, amount: int, *window: tuple[int, int], in_grace: bool = False) -> tuple[tuple[int, int], ...] | None:
    """The window, by days from the first, with an amount that came late."""
    rules = programme(EUROS + TIERS).tiers
    assert rules is not None
    standing = tiers.Standing(0, written(moment(0)), None, in_grace, tuple((FIRST_DAY + day, counted) for day, counted in window))
    after = tiers.inserted(rules, standing, written(moment(day)), amount)
    return after and tuple((day - FIRST_DAY, counted) for day, counted in after.window)


def test_what_came_late_is_counted_on_its_day() -> None:
    assert inserted(5, 7, (1, 10), (9, 20)) == ((1, 10), (5, 7), (9, 20))
    assert inserted(1, 7, (1, 10), (9, 20)) == ((1, 17), (9, 20))
    assert inserted(5, 7) == ((5, 7),)


def test_what_came_late_needs_all_facts_where_it_may_move_the_tier_or_the_window() -> None:
    assert inserted(5, 69, (1, 10), (9, 20)) is not None
    assert inserted(5, 70, (1, 10), (9, 20)) is None, "100 are enough for silver"
    assert inserted(0, 7, (29, 10)) is not None
    assert inserted(0, 7, (30, 10)) is None, "it has left the window by then"
    assert inserted(5, 7, (1, 10), (9, 20), in_grace=True) is None


def test_it_is_told_when_a_day_leaves_the_window() -> None:
    rules = programme(EUROS + TIERS).tiers
    assert rules is not None
    opened = tiers.Standing(0, written(moment(0)))
    before = tiers.counted(rules, tiers.counted(rules, opened, written(moment(0)), 5), written(moment(1)), 5)
    assert not tiers.begins_later(before, opened)
    for day, leaves in ((1, False), (29, False), (30, True)):
        assert tiers.begins_later(tiers.counted(rules, before, written(moment(day)), 5), before) == leaves
