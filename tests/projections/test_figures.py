"""The figures of every view against a small shop worked out by hand (tests/projections/shop.py says who did what)."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from services.projections.migrating import migrate_with
from services.runtime.warehouse import Warehouse
from tests.projections import shop
from tests.projections.conftest import Analyst
from tests.projections.published import Story, identifier_id

ADA, BOB, CYD = (UUID(identifier_id(name)) for name in (shop.ADA, shop.BOB, shop.CYD))
MARCH = date(2025, 3, 1)


@pytest.fixture(scope="module")
def asked(clickhouse: str) -> Analyst:
    analyst = Analyst(Warehouse(clickhouse), "shop")
    migrate_with(analyst.warehouse, analyst.database)
    analyst.deliver(*shop.published())
    return analyst


def at(day: int, hour: int = 10, month: int = 3) -> datetime:
    return datetime(2025, month, day, hour, tzinfo=UTC)


def test_a_touchpoint_belongs_to_the_customer_that_its_customer_was_merged_into(asked: Analyst) -> None:
    (mail,) = asked.ask("SELECT customer_id, customer_at, type, source, payload FROM rapport.touchpoints WHERE event_id = 'm1'")

    assert mail[:4] == (ADA, UUID(identifier_id(shop.ADA_MAIL)), "email", "mail")
    assert asked.ask("SELECT customer_id, count() FROM rapport.touchpoints GROUP BY customer_id ORDER BY 2") == [
        (CYD, 5),
        (ADA, 6),
        (BOB, 11),
    ]


def test_a_former_customer_id_leads_to_the_same_timeline_as_the_present_one(asked: Analyst) -> None:
    query = "SELECT event_id, customer_id FROM rapport.timeline(customer = %(id)s) ORDER BY occurred_at, event_id"

    present, former = (asked.ask(query, id=identifier_id(name)) for name in (shop.ADA, shop.ADA_MAIL))

    assert present == former == [(event, ADA) for event in ("p1", "m1", "m2", "s2", "s4", "p2")]
    assert asked.ask(query, id=identifier_id("email:nobody")) == []


def test_an_identifier_leads_to_its_customer(asked: Analyst) -> None:
    held = asked.ask("SELECT type, value, customer_id FROM rapport.customer_identifiers ORDER BY value")

    assert held == [
        ("customer_id", "1", ADA),
        ("customer_id", "2", BOB),
        ("email", "ada@example.com", ADA),
        ("email", "cyd@example.com", CYD),
    ]


def test_purchases_are_in_major_units_of_their_currency_with_minor_units_beside(asked: Analyst) -> None:
    bought = asked.ask("SELECT event_id, customer_id, currency, total, total_minor, quantity FROM rapport.purchases ORDER BY event_id")

    assert bought == [
        ("p1", ADA, "EUR", Decimal("10.00"), 1000, 2),
        ("p2", ADA, "EUR", Decimal("20.00"), 2000, 1),
        ("p3", BOB, "EUR", Decimal("5.00"), 500, 1),
        ("p4", BOB, "JPY", Decimal("700"), 700, 1),
    ]


def test_lines_have_a_price_a_piece_and_an_amount(asked: Analyst) -> None:
    row = asked.row("SELECT * FROM rapport.purchase_lines WHERE event_id = 'p1'")

    assert (row["unit_price"], row["quantity"], row["amount"], row["amount_minor"]) == (Decimal(5), 2, Decimal(10), 1000)
    assert (row["customer_id"], row["category"], row["line"]) == (ADA, "jazz", 1)


def test_a_refund_told_twice_counts_once(asked: Analyst) -> None:
    row = asked.row("SELECT event_id, customer_id, order_id, amount, amount_minor, reason FROM rapport.refunds")

    assert row == {"event_id": "r1", "customer_id": BOB, "order_id": "o3", "amount": Decimal(2), "amount_minor": 200, "reason": "scratched"}


def test_one_row_a_living_customer(asked: Analyst) -> None:
    found = asked.ask(
        "SELECT customer_id, lifecycle, orders, currency, net, net_minor, average_order FROM rapport.customers ORDER BY orders, net"
    )

    assert found == [
        (CYD, "prospect", 0, "", Decimal(0), 0, Decimal(0)),
        (ADA, "active", 2, "EUR", Decimal(30), 3000, Decimal(15)),
        (BOB, "lost", 2, "JPY", Decimal(700), 700, Decimal(700)),
    ]
    assert asked.ask("SELECT net_minor_by_currency FROM rapport.customers WHERE customer_id = %(id)s", id=BOB) == [
        ({"EUR": 300, "JPY": 700},)
    ]


def test_every_change_of_a_customer_names_its_cause(asked: Analyst) -> None:
    changes = asked.ask("SELECT event, customer_id, other_id, identifiers, cause FROM rapport.customer_changes ORDER BY notification_id")

    mail = UUID(identifier_id(shop.ADA_MAIL))
    assert changes == [
        ("customers_merged", ADA, mail, ["email:ada@example.com"], "l1"),
        ("customer_merged_into", ADA, ADA, [], "l1"),
        ("lifecycle_changed", ADA, None, [], "clock"),
        ("link_refused", CYD, None, [shop.CYD, "phone:+441"], "e"),
    ]


def test_a_case_is_one_row_with_the_time_of_each_step(asked: Analyst) -> None:
    first, second = (asked.row(f"SELECT * FROM rapport.cases WHERE case_id = '{case}'") for case in "KL")

    assert (first["case_id"], first["customer_id"], first["step"], first["is_open"], first["steps"]) == ("K", BOB, "archived", False, 4)
    assert (first["received_at"], first["assigned_at"], first["answered_at"], first["archived_at"]) == (at(21), at(21, 12), at(22), at(23))
    assert (first["classified_at"], first["category"], first["severity"]) == (None, "late", "high")
    assert (first["answer_seconds"], first["age_seconds"]) == (86_400, 172_800)
    assert (second["case_id"], second["step"], second["is_open"], second["archived_at"], second["severity"]) == (
        "L",
        "received",
        True,
        None,
        "low",
    )


def test_a_case_that_was_reopened_is_open_again(analyst: Analyst) -> None:
    story = Story()
    steps = ("received", "answered", "archived", "reopened")

    analyst.deliver(*[story.touchpoint(f"k{n}", "case", {"case_id": "K", "step": step}, at=shop.at(n + 1)) for n, step in enumerate(steps)])

    row = analyst.row("SELECT step, is_open, archived_at, reopened FROM rapport.cases")
    assert row == {"step": "reopened", "is_open": True, "archived_at": None, "reopened": 1}


def test_conversations_say_who_wrote_first_and_how_long_the_first_reply_took(asked: Analyst) -> None:
    columns = "conversation, customer_id, is_case, messages, inbound, outbound, response_seconds, awaiting, sentiment"
    found = asked.ask(f"SELECT {columns} FROM rapport.conversations ORDER BY conversation")

    assert found == [
        ("c1", ADA, False, 2, 1, 1, 7200.0, False, None),
        ("c2", CYD, False, 2, 2, 0, None, True, 0.0),
        ("c3", CYD, False, 1, 0, 1, None, False, None),
        ("case:K", BOB, True, 2, 1, 1, 86_400.0, False, None),
        ("case:L", BOB, True, 1, 1, 0, None, True, None),
    ]


def test_a_message_of_ours_before_the_customer_wrote_is_no_reply(analyst: Analyst) -> None:
    story = Story()

    def said(event: str, direction: str, hour: int) -> Any:
        return story.touchpoint(event, "chat", shop.chat("c", direction), at=shop.at(1, hour))

    analyst.deliver(
        said("a", "outbound", 8), said("b", "inbound", 9), said("c", "inbound", 10), said("d", "outbound", 11), said("e", "outbound", 12)
    )

    row = analyst.row("SELECT first_inbound_at, first_reply_at, response_seconds FROM rapport.conversations")
    assert row == {"first_inbound_at": at(1, 9), "first_reply_at": at(1, 11), "response_seconds": 7200.0}


def test_satisfaction_has_mean_perceived_to_expected_nps_and_response_rate(asked: Analyst) -> None:
    csat = asked.row("SELECT * FROM rapport.satisfaction WHERE kind = 'csat'")
    nps = asked.row("SELECT * FROM rapport.satisfaction WHERE kind = 'nps'")

    # csat: 4 of 5 and 2 of 5 answered, one not; only the first said what it expected, 5 of 5
    assert (csat["month"], csat["asked"], csat["n"], csat["response_rate"]) == (MARCH, 3, 2, pytest.approx(2 / 3))
    assert (csat["mean"], csat["perceived_to_expected"], csat["nps"]) == (pytest.approx(0.6), pytest.approx(0.8), None)
    # nps: 10, 8 and 6: one promoter, one detractor
    assert (nps["n"], nps["promoters"], nps["detractors"], nps["nps"], nps["mean"]) == (3, 1, 1, 0.0, pytest.approx(0.8))


def test_no_answer_is_unknown_not_satisfied(analyst: Analyst) -> None:
    analyst.deliver(Story().touchpoint("s", "survey", {"kind": "nps", "scale": 10}))

    row = analyst.row("SELECT asked, n, response_rate, mean, nps FROM rapport.satisfaction")
    assert row == {"asked": 1, "n": 0, "response_rate": 0.0, "mean": None, "nps": None}


def test_lifecycle_shares_add_up(asked: Analyst) -> None:
    found = asked.ask("SELECT lifecycle, customers, share, orders FROM rapport.lifecycle ORDER BY lifecycle")

    third = pytest.approx(1 / 3)
    assert found == [("active", 1, third, 2), ("lost", 1, third, 2), ("prospect", 1, third, 0)]


def test_cohorts_keep_their_size_while_customers_come_back(asked: Analyst) -> None:
    found = asked.ask("SELECT cohort, months_since, customers, cohort_size, retention, orders FROM rapport.cohort_retention ORDER BY 2")

    # Ada and Bob first bought in March; Ada came back in April
    assert found == [(MARCH, 0, 2, 2, 1.0, 3), (MARCH, 1, 1, 2, 0.5, 1)]


def test_repeat_purchases_by_number(asked: Analyst) -> None:
    found = asked.ask("SELECT * FROM rapport.repeat_purchase ORDER BY purchase_number")

    # Ada waited 28 days, Bob one hour: the median of two is their mean
    assert found == [(1, 2, 2, 1.0, pytest.approx((28 + 1 / 24) / 2)), (2, 2, 0, 0.0, None)]


def test_channel_mix_by_month(asked: Analyst) -> None:
    found = asked.ask(
        "SELECT source, type, touchpoints, customers, share FROM rapport.channel_mix WHERE month = '2025-03-01' ORDER BY 1, 2"
    )

    assert [row[:4] for row in found] == [
        ("chat", "chat", 3, 1), ("mail", "email", 2, 1), ("shop", "case", 5, 1),
        ("shop", "purchase", 3, 2), ("shop", "refund", 2, 1), ("shop", "survey", 6, 3),
    ]  # fmt: skip
    assert sum(row[4] for row in found) == pytest.approx(1)


def test_a_day_counts_what_happened_and_who_was_there(asked: Analyst) -> None:
    found = {row[0].day: row[1:] for row in asked.ask("SELECT * FROM rapport.daily_activity WHERE day < '2025-04-01'")}

    assert found[6] == (2, 1, 1, 1, 0, 0, 0, 0, 0, None)
    assert found[20] == (2, 1, 0, 0, 2, 0, 0, 0, 0, None)
    assert found[24] == (6, 3, 0, 0, 0, 0, 0, 6, 0, None)
    assert found[21] == (2, 1, 1, 0, 0, 0, 1, 0, 0, None)


def test_a_days_revenue_by_currency(asked: Analyst) -> None:
    found = asked.ask("SELECT day, currency, orders, customers, gross, refunded, net FROM rapport.daily_revenue ORDER BY day, currency")

    assert found == [
        (date(2025, 3, 5), "EUR", 1, 1, Decimal(10), Decimal(0), Decimal(10)),
        (date(2025, 3, 20), "EUR", 1, 1, Decimal(5), Decimal(0), Decimal(5)),
        (date(2025, 3, 20), "JPY", 1, 1, Decimal(700), Decimal(0), Decimal(700)),
        (date(2025, 3, 25), "EUR", 0, 0, Decimal(0), Decimal(2), Decimal(-2)),
        (date(2025, 4, 2), "EUR", 1, 1, Decimal(20), Decimal(0), Decimal(20)),
    ]


def test_response_times_by_channel(asked: Analyst) -> None:
    columns = "source, type, conversations, answered, awaiting, mean_seconds, median_seconds, p90_seconds, longest_seconds"
    found = asked.ask(f"SELECT {columns} FROM rapport.response_times ORDER BY source, type")

    # c3, where only we wrote, is no conversation that a customer waits in
    assert found == [
        ("chat", "chat", 1, 0, 1, None, None, None, None),
        ("mail", "email", 1, 1, 0, 7200.0, 7200.0, 7200.0, 7200.0),
        ("shop", "case", 2, 1, 1, 86400.0, 86400.0, 86400.0, 86400.0),
    ]


def test_open_cases_by_age(asked: Analyst) -> None:
    row = asked.row("SELECT age, at_least_days, severity, step, cases, oldest_opened_at FROM rapport.case_ageing")

    assert row == {
        "age": "over 30 days",
        "at_least_days": 30,
        "severity": "low",
        "step": "received",
        "cases": 1,
        "oldest_opened_at": at(28),
    }


def test_the_ledger_adds_up_to_the_account(asked: Analyst) -> None:
    sums = dict(asked.ask("SELECT account_id, sum(amount) FROM rapport.loyalty_ledger GROUP BY account_id"))

    assert sums == {ADA: 30, BOB: 3}
    assert asked.ask("SELECT account_id, customer_id, balance, tier FROM rapport.loyalty_accounts WHERE balance > 0") == [
        (ADA, ADA, 30, "silver")
    ]
    assert asked.ask("SELECT event, customer_id, tier_after FROM rapport.loyalty_changes ORDER BY event") == [
        ("account_merged_into", ADA, ""),
        ("tier_changed", ADA, "silver"),
    ]


def test_points_owed_and_when_they_expire(asked: Analyst) -> None:
    found = asked.ask("SELECT * FROM rapport.loyalty_liability ORDER BY tier")

    # Ada's first lot is past its date and waits for the clock; her second never expires
    assert found == [
        ("rapport", "", 1, 0, 0, 0, 0, 0, 0),
        ("rapport", "base", 1, -3, 0, 0, -3, 0, 0),
        ("rapport", "silver", 1, 30, 20, 10, 0, 10, 10),
    ]


def test_customer_360_shows_profile_and_account_side_by_side(asked: Analyst) -> None:
    found = asked.ask("SELECT customer_id, net, tier, points, points_available, recency_days > 30 FROM rapport.customer_360 ORDER BY net")

    assert found == [(CYD, Decimal(0), "", 0, 0, None), (ADA, Decimal(30), "silver", 30, 20, 1), (BOB, Decimal(700), "base", -3, 0, 1)]


def test_quintiles_of_ten_customers_are_two_each_and_equals_stay_together(analyst: Analyst) -> None:
    story = Story()
    snapshots = []
    for number in range(10):
        orders = 1 if number < 6 else number
        spend = {"orders": orders, "gross_minor": number, "refunded_minor": 0, "net_minor": number, "average_order_minor": 1}
        snapshots.append(
            story.snapshot(f"customer_id:{number}", orders=orders, spend={"EUR": spend}, last_order_at=shop.at(number + 1), touchpoints=1)
        )
    analyst.deliver(*snapshots)

    found = analyst.ask("SELECT monetary_minor, r, f, m, score, segment FROM rapport.rfm ORDER BY monetary_minor")

    assert [row[1] for row in found] == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert [row[2] for row in found] == [1, 1, 1, 1, 1, 1, 4, 4, 5, 5], "six customers with one order share the lowest quintile"
    assert [row[3] for row in found] == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert found[0][4:] == (111, "hibernating")
    assert found[4][4:] == (313, "steady")
    assert found[9][4:] == (555, "champions")


def test_whatever_order_merges_arrive_in_the_latest_decides(analyst: Analyst) -> None:
    story = Story()
    seen = story.touchpoint("e", by="email:a", joined=["email:a"])
    first = story.merge("customer_id:1", "email:a", bringing=["email:a"])
    then = story.move("customer_id:1", "customer_id:2", ["email:a"])

    analyst.deliver(*then)
    analyst.deliver(*first)
    analyst.deliver(seen)

    now = UUID(identifier_id("customer_id:2"))
    assert analyst.ask("SELECT customer_id FROM rapport.touchpoints") == [(now,)]
    assert analyst.ask("SELECT customer_id FROM rapport.customer_identifiers WHERE value = 'a'") == [(now,)]
    assert analyst.ask("SELECT customer_id FROM rapport.timeline(customer = %(id)s)", id=identifier_id("email:a")) == [(now,)]
