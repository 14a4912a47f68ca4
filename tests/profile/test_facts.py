"""What the profile says of a customer, fact by fact."""

from typing import Any

import pytest

from tests.profile.stage_run import Run
from tests.profile.touchpoints import touchpoint


def shown(*touchpoints: dict[str, Any]) -> dict[str, Any]:
    run = Run()
    run.feed(*touchpoints)
    return run.only()


def at(event_id: str, type: str, hour: float, **payload: Any) -> dict[str, Any]:
    return touchpoint(event_id, "customer_id:1", hour=hour, type=type, source=payload.pop("source", "web"), **payload)


def purchase(event_id: str, hour: float, total: int, currency: str = "EUR", **more: Any) -> dict[str, Any]:
    return at(event_id, "purchase", hour, order_id=f"o-{event_id}", total_minor=total, currency=currency, **more)


def test_spend_is_told_by_currency_and_refunds_are_taken_off_once() -> None:
    refund = {"order_id": "o-a", "refund_id": "r1", "currency": "EUR", "lines": [{"sku": "x", "amount_minor": 300}]}
    profile = shown(
        purchase("a", 1, 1000),
        purchase("b", 2, 501),
        purchase("c", 3, 7, "USD"),
        at("d", "refund", 4, **refund),
        at("e", "refund", 5, **refund),
    )
    euros = {"orders": 2, "gross_minor": 1501, "refunded_minor": 300, "net_minor": 1201, "average_order_minor": 751}
    assert profile["spend"]["EUR"] == euros
    assert profile["spend"]["USD"]["orders"] == 1
    assert profile["orders"] == 3
    assert [(order["order_id"], order["refunded_minor"]) for order in profile["recent_orders"]] == [("o-c", 0), ("o-b", 0), ("o-a", 300)]


def test_what_several_refunds_gave_back_adds_up_by_currency_and_by_order() -> None:
    refunds = [
        at(f"r{n}", "refund", 4, order_id=f"o-{order}", refund_id=f"r{n}", amount_minor=amount, currency="EUR")
        for n, (order, amount) in enumerate((("a", 100), ("a", 20), ("b", 3)))
    ]
    profile = shown(purchase("a", 1, 1000), purchase("b", 2, 500), *refunds)
    assert profile["spend"]["EUR"]["refunded_minor"] == 123
    assert [(order["order_id"], order["refunded_minor"]) for order in profile["recent_orders"]] == [("o-b", 3), ("o-a", 120)]


def test_the_latest_twenty_orders_are_kept_and_all_are_counted() -> None:
    profile = shown(*(purchase(f"e{n}", n, 100) for n in range(25)))
    assert [order["order_id"] for order in profile["recent_orders"]] == [f"o-e{n}" for n in range(24, 4, -1)]
    assert profile["orders"] == 25


def test_favourites_go_by_quantity_then_name() -> None:
    lines = [
        {"sku": sku, "category": category, "quantity": quantity}
        for sku, category, quantity in [("b", "x", 2), ("a", "y", 2), ("c", "x", 5)]
    ]
    profile = shown(purchase("e", 1, 100, lines=lines))
    assert [one["name"] for one in profile["favourite_items"]] == ["c", "a", "b"]
    assert profile["favourite_categories"][0] == {"name": "x", "quantity": 7}


def test_what_was_bought_under_several_identifiers_adds_up() -> None:
    """Of one customer, though each order is kept under the identifier that it came with."""
    lines = [{"sku": "a", "category": "x", "quantity": 2}]
    run = Run()
    run.feed(purchase("e1", 1, 100, lines=lines), purchase("e2", 2, 100, lines=lines))
    run.feed({**purchase("e3", 3, 100, lines=lines), "identifiers": [{"type": "email", "value": "a@example.org"}]})
    run.feed(touchpoint("e4", "customer_id:1", "email:a@example.org", hour=4))
    profile = run.only()
    assert [one["order_id"] for one in profile["recent_orders"]] == ["o-e3", "o-e2", "o-e1"]
    assert profile["favourite_items"] == [{"name": "a", "quantity": 6}]
    assert profile["favourite_categories"] == [{"name": "x", "quantity": 6}]


def test_the_latest_fact_decides_a_trait_and_null_removes_it() -> None:
    profile = shown(
        at("e3", "identify", 3, traits={"city": None, "name": "Ann"}),
        at("e1", "identify", 1, traits={"city": "Leeds", "name": "A."}),
        at("e2", "identify", 2, traits={"city": "Berlin", "age": 30}),
    )
    assert {name: trait["value"] for name, trait in profile["traits"].items()} == {"name": "Ann", "age": 30}
    assert profile["traits"]["name"]["event_id"] == "e3"


def test_a_complaint_is_open_until_it_is_archived_and_its_answer_is_a_response() -> None:
    steps = [("received", 1), ("classified", 2), ("handled", 3), ("answered", 5)]
    case = [at(f"e{hour}", "case", hour, case_id="k", step=step, category="delivery" if hour == 2 else None) for step, hour in steps]
    profile = shown(*case)
    (open_case,) = profile["open_cases"]
    assert (open_case["step"], open_case["category"]) == ("answered", "delivery")
    assert (profile["responses"], profile["response_seconds_mean"], profile["awaiting_response"]) == (1, 4 * 3600, 0)
    archived = shown(*case, at("e9", "case", 9, case_id="k", step="archived"))
    assert (archived["open_cases"], archived["cases"]) == ([], 1)


def test_a_complaint_keeps_the_latest_word_on_its_kind_and_severity() -> None:
    steps = [("received", None, "low"), ("classified", "delivery", "high"), ("handled", "return", None)]
    case = [
        at(f"e{n}", "case", n, case_id="k", step=step, category=kind, severity=severity) for n, (step, kind, severity) in enumerate(steps)
    ]
    for said in (case, case[::-1]):
        (open_case,) = shown(*said)["open_cases"]
        assert (open_case["step"], open_case["category"], open_case["severity"]) == ("handled", "return", "high")


@pytest.mark.parametrize(
    ("messages", "responses", "mean", "awaiting"),
    [
        ([("inbound", 1), ("outbound", 2), ("outbound", 3)], 1, 3600, 0),
        ([("outbound", 1), ("inbound", 2)], 0, None, 1),
        ([("outbound", 3), ("outbound", 2), ("inbound", 1)], 1, 3600, 0),
        ([("outbound", 1)], 0, None, 0),
        ([("inbound", 1), ("outbound", 1)], 1, 0, 0),
    ],
)
def test_response_time_runs_from_the_first_inbound_message_to_the_first_reply(
    messages: list[tuple[str, int]], responses: int, mean: int | None, awaiting: int
) -> None:
    profile = shown(*(at(f"e{n}", "chat", hour, conversation_id="c", direction=direction) for n, (direction, hour) in enumerate(messages)))
    assert (profile["responses"], profile["response_seconds_mean"], profile["awaiting_response"]) == (responses, mean, awaiting)


def test_a_mail_about_a_complaint_is_its_answer_and_who_reopens_one_waits_for_another() -> None:
    received = at("e1", "case", 1, case_id="k", step="received")
    mail = at("e2", "email", 3, case_id="k", direction="outbound", kind="message", action="sent")
    answered = shown(received, mail)
    assert (answered["responses"], answered["response_seconds_mean"], answered["awaiting_response"]) == (1, 2 * 3600, 0)
    reopened = shown(at("e1", "case", 1, case_id="k", step="reopened"))
    assert (reopened["responses"], reopened["awaiting_response"]) == (0, 1)
    of_no_conversation = shown(at("e3", "message", 1, network="sms", direction="inbound"))
    assert (of_no_conversation["touchpoints"], of_no_conversation["awaiting_response"]) == (1, 0)


def test_what_nobody_expected_is_compared_with_nothing() -> None:
    survey = {"kind": "csat", "scale": 1000}
    told = [at("e1", "survey", 1, **survey, score=1, expected=1), at("e2", "survey", 2, **survey, score=1), at("e3", "survey", 3, **survey)]
    assert shown(*told)["satisfaction"]["csat"]["perceived_to_expected_permille"] == 1000
    assert shown(*told[1:])["satisfaction"]["csat"]["perceived_to_expected_permille"] is None


def test_satisfaction_is_perceived_over_expected_and_unknown_without_an_answer() -> None:
    survey = {"kind": "csat", "scale": 5}
    profile = shown(
        at("e1", "survey", 1, **survey, score=4, expected=5),
        at("e2", "survey", 2, **survey, score=2, expected=5),
        at("e3", "survey", 3, **survey, score=None),
    )
    csat = profile["satisfaction"]["csat"]
    assert (csat["asked"], csat["answers"], csat["mean_permille"], csat["latest_permille"]) == (3, 2, 600, 400)
    assert csat["perceived_to_expected_permille"] == 600
    assert shown(at("e1", "survey", 1, **survey, score=None))["satisfaction"]["csat"]["mean_permille"] is None
    assert shown(at("e1", "visit", 1, place="page", name="home"))["satisfaction"] == {}


def test_a_need_is_open_until_something_of_its_category_is_bought() -> None:
    need = at("e1", "need", 1, category="shoes", text="winter boots")
    bought = purchase("e2", 2, 100, lines=[{"sku": "b", "category": "shoes"}])
    assert [one["text"] for one in shown(need)["open_needs"]] == ["winter boots"]
    assert shown(need, bought)["open_needs"] == []


def test_consent_membership_and_opportunities_show_their_latest_step() -> None:
    profile = shown(
        at("e1", "consent", 1, purpose="news", channel="email", granted=True, wording_version="2"),
        at("e2", "consent", 2, purpose="news", channel="email", granted=False),
        at("e3", "membership", 1, programme="plus", step="joined", until="2027-01-01T00:00:00+01:00"),
        at("e4", "opportunity", 1, opportunity_id="p", step="opened", amount_minor=100, currency="EUR"),
        at("e5", "opportunity", 2, opportunity_id="p", step="won", amount_minor=90, currency="EUR"),
    )
    assert [(one["granted"], one["purpose"]) for one in profile["consents"]] == [(False, "news")]
    assert profile["memberships"][0]["until"] == "2026-12-31T23:00:00.000000Z"
    assert [(one["step"], one["amount_minor"]) for one in profile["opportunities"]] == [("won", 90)]


def test_the_usual_channel_is_counted_and_the_preferred_one_declared() -> None:
    profile = shown(
        at("e1", "visit", 1, place="page", name="home", source="web"),
        at("e2", "visit", 2, place="store", name="x", source="shop"),
        at("e3", "identify", 3, traits={"preferred_channel": "mail"}, source="shop"),
    )
    assert (profile["usual_channel"], profile["preferred_channel"]) == ("shop", "mail")
    assert profile["by_channel"]["shop"]["count"] == 2


def test_sentiment_is_a_mean_of_those_who_showed_one() -> None:
    call = {"direction": "inbound", "outcome": "answered"}
    profile = shown(at("e1", "call", 1, **call, sentiment=0.5), at("e2", "call", 2, **call, sentiment=-0.2), at("e3", "call", 3, **call))
    assert profile["sentiment_permille"] == 150
    assert shown(at("e3", "call", 3, **call))["sentiment_permille"] is None


def test_the_mood_of_a_chat_counts_like_that_of_a_call() -> None:
    chat = {"conversation_id": "c", "direction": "inbound"}
    assert shown(at("e1", "chat", 1, **chat, sentiment=-1), at("e2", "chat", 2, **chat))["sentiment_permille"] == -1000
    assert (
        shown(at("e1", "chat", 1, **chat, sentiment=1), at("e2", "call", 2, direction="inbound", outcome="answered", sentiment=0.5))[
            "sentiment_permille"
        ]
        == 750
    )


def test_a_mail_of_the_customer_about_a_complaint_waits_for_an_answer() -> None:
    mail = {"case_id": "k", "kind": "message", "action": "sent"}
    waiting = shown(at("e1", "email", 1, direction="inbound", **mail))
    assert (waiting["responses"], waiting["awaiting_response"]) == (0, 1)
