"""What an analyst finds in each table for one message: every column, without asking ClickHouse."""

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from schemas import topics
from services.projections.batch_rows import rows_of_batch
from tests.projections.published import Said

ADA = UUID("4010e4b1-8605-a0ad-a139-081b2691e44f")
BEA = UUID("11f31ee1-65e2-0392-29d4-2d6ab63246e4")
CARL = UUID("f23aa621-bd78-48d4-28b4-3d1dd26a7966")
TELEPHONE = UUID("08f3788e-b328-0ddb-7853-90d7fc009e55")
TOPICS = {"profile": topics.PROFILES, "account": topics.LOYALTY_ACCOUNTS, "quarantined": topics.QUARANTINE}
EVENTS = {"profile": topics.PROFILE_CHANGES, "loyalty": topics.LOYALTY_CHANGES, "quarantine_decided": topics.QUARANTINE}
Tells = Callable[..., list[dict[str, Any]]]


def at(moment: str) -> int:
    """Microseconds since 1970."""
    return round(datetime.fromisoformat(moment).timestamp() * 1_000_000)


@pytest.fixture
def tells(examples: Path) -> Tells:
    """The rows of a table that the published example of a message becomes, with fields changed; its notification id is 7, its offset 70."""

    def rows(table: str, name: str, **changes: Any) -> list[dict[str, Any]]:
        value = json.loads((examples / f"{name}.json").read_bytes()) | changes
        stage, _, event = name.partition(".")
        topic = TOPICS[name] if name in TOPICS else EVENTS[stage]
        headers = (("id", b"7"), ("type", (event or name).encode()))
        found = rows_of_batch([Said(topic.name, b"k", json.dumps(value).encode(), headers, offset=70)])
        assert found.outcomes == {("applied", ""): 1}
        return [dict(zip(of.columns, row, strict=True)) for of, made in found.rows.items() if of.name == table for row in made]

    return rows


@pytest.fixture
def touched(examples: Path, tells: Tells) -> Tells:
    """The rows of a table for a touchpoint of that type and payload; it belongs to Bea's identifier and was counted for Ada."""

    def rows(table: str, type: str, version: int = 1, **payload: Any) -> list[dict[str, Any]]:
        event = json.loads((examples / "profile.touchpoint_applied.json").read_bytes())
        touchpoint = event["touchpoint"] | {"type": type, "version": version, "payload": payload, "source": "till-2"}
        return tells(table, "profile.touchpoint_applied", anchor=str(BEA), touchpoint=touchpoint)

    return rows


WHOSE = {"anchor": BEA, "customer_at": ADA, "id": 7}
HAPPENED = {"event_id": "shop-A-1042", "occurred_at": at("2025-03-05T20:15:00Z")}


def test_a_touchpoint_is_kept_with_all_that_the_channel_said(examples: Path, tells: Tells) -> None:
    said = json.loads((examples / "profile.touchpoint_applied.json").read_bytes())["touchpoint"]
    context = {"ip": "1.1.1.1"}
    said |= {"version": 2, "type": "refund", "original_timestamp": "2025-03-05T20:14:00Z", "context": context}
    said["payload"] = {"order_id": "A", "refund_id": "R", "total_minor": 5, "currency": "EUR"}

    [row] = tells("touchpoints", "profile.touchpoint_applied", anchor=str(BEA), touchpoint=said)

    assert json.loads(row.pop("payload")) == said["payload"]
    assert json.loads(row.pop("context")) == context
    assert row == {
        **HAPPENED,
        **WHOSE,
        "type": "refund",
        "version": 2,
        "received_at": at("2025-03-05T20:15:00.412Z"),
        "original_timestamp": at("2025-03-05T20:14:00Z"),
        "recorded_at": at("2025-03-05T20:20:01Z"),
        "source": "shop",
        "identifiers": ["customer_id:C-1042", "email:ada.moore@example.com"],
        "direction": "",
        "conversation": "",
        "sentiment": None,
        "sequence": 3,
    }


@pytest.mark.parametrize(
    ("type", "payload", "talk"),
    [
        ("chat", {"direction": "outbound", "conversation_id": "t-1", "sentiment": -0.5}, ("outbound", "t-1", -0.5)),
        ("call", {"direction": "inbound", "conversation_id": "t-1", "case_id": "9"}, ("inbound", "t-1", None)),
        ("email", {"direction": "inbound", "case_id": "9", "sentiment": 0.25}, ("inbound", "case:9", 0.25)),
        ("message", {"direction": "inbound"}, ("inbound", "", None)),
        ("case", {"case_id": "9", "step": "received"}, ("inbound", "case:9", None)),
        ("case", {"case_id": "9", "step": "reopened"}, ("inbound", "case:9", None)),
        ("case", {"case_id": "9", "step": "answered"}, ("outbound", "case:9", None)),
        ("case", {"case_id": "9", "step": "classified"}, ("", "", None)),
        ("visit", {"place": "page", "name": "home"}, ("", "", None)),
    ],
)
def test_who_spoke_to_whom_in_which_conversation(touched: Tells, type: str, payload: dict[str, Any], talk: tuple[Any, ...]) -> None:
    [row] = touched("touchpoints", type, **payload)

    assert (row["direction"], row["conversation"], row["sentiment"]) == talk


def test_a_purchase_is_one_row_and_each_of_its_lines_another(touched: Tells) -> None:
    lines = [{"sku": "TEA", "name": "Tea", "category": "hot", "quantity": 2, "unit_price_minor": 250}, {"sku": "JUG", "quantity": 3}]
    sums = {"total_minor": 1512, "tax_minor": 12, "shipping_minor": 400}
    order = {"order_id": "A-7", "currency": "KWD", "store": "berlin", "payment": "cash", **sums}
    whose = {**HAPPENED, **WHOSE, "order_id": "A-7", "currency": "KWD", "divisor": 1000}

    assert touched("purchases", "purchase", **order, lines=lines) == [
        {**whose, **sums, "source": "till-2", "store": "berlin", "payment": "cash", "lines": 2, "quantity": 5}
    ]
    assert touched("purchase_lines", "purchase", **order, lines=lines) == [
        {**whose, "line": 1, "sku": "TEA", "name": "Tea", "category": "hot", "quantity": 2, "unit_price_minor": 250},
        {**whose, "line": 2, "sku": "JUG", "name": "", "category": "", "quantity": 3, "unit_price_minor": None},
    ]


def test_a_refund_is_one_row(touched: Tells) -> None:
    payload = {"order_id": "A-7", "refund_id": "R-1", "total_minor": 1500, "currency": "KWD"}
    row = {**HAPPENED, **WHOSE, "source": "till-2", "divisor": 1000, **payload, "amount_minor": 1500}
    del row["total_minor"]

    assert touched("refunds", "refund", 2, **payload, reason="broken") == [{**row, "reason": "broken"}]
    assert touched("refunds", "refund", 2, **payload) == [{**row, "reason": ""}]


def test_each_step_of_a_complaint_is_one_row(touched: Tells) -> None:
    said = {"category": "late", "severity": "high", "note": "parcel"}
    row = {**HAPPENED, **WHOSE, "source": "till-2", "case_id": "9", "step": "classified"}

    assert touched("case_steps", "case", case_id="9", step="classified", **said) == [{**row, **said}]
    assert touched("case_steps", "case", case_id="9", step="classified") == [{**row, **dict.fromkeys(said, "")}]


def test_a_survey_is_one_row_with_what_it_is_about(touched: Tells) -> None:
    answer = {"kind": "nps", "scale": 10, "score": 8, "expected": 6, "comment": "fine"}
    row = {**HAPPENED, **WHOSE, "source": "till-2", **answer, "about_type": "order", "about_id": "A-7"}

    assert touched("surveys", "survey", **answer, about={"type": "order", "id": "A-7"}) == [row]


IDENTIFIER = {"id": str(TELEPHONE), "type": "phone", "value": "+4930"}


def test_identifiers_of_a_touchpoint_are_held_by_its_customer_from_then_on(tells: Tells) -> None:
    second = {"id": str(BEA), "type": "email", "value": "b@x.org"}
    held = {"customer": ADA, "since": at("2025-03-05T20:20:01Z"), "id": 7}

    assert tells("identifier_holders", "profile.touchpoint_applied", joined=[IDENTIFIER, second]) == [
        {"identifier": TELEPHONE, "type": "phone", "value": "+4930", **held},
        {"identifier": BEA, "type": "email", "value": "b@x.org", **held},
    ]
    assert tells("identifier_moves", "profile.touchpoint_applied", joined=[IDENTIFIER]) == []


@pytest.mark.parametrize("event", ["customers_merged", "identifiers_joined", "identifiers_left"])
def test_identifiers_that_change_hands_are_held_by_the_customer_that_they_come_to(tells: Tells, event: str) -> None:
    moved = {"identifiers": [IDENTIFIER]}
    held = {"identifier": TELEPHONE, "type": "phone", "value": "+4930", "customer": ADA, "since": at("2025-03-05T20:20:01Z"), "id": 7}

    assert tells("identifier_holders", f"profile.{event}", **moved) == [held]
    assert tells("identifier_moves", f"profile.{event}", **moved) == [{"identifier": TELEPHONE, "customer": ADA, "id": 7}]


CHANGE = {
    "recorded_at": at("2025-03-05T20:20:01Z"),
    "effective_at": at("2025-03-05T20:20:01Z"),
    "cause": "account-42",
    "other": None,
    "identifiers": [],
    "before": "",
    "after": "",
    "reason": "",
    "id": 7,
}
MAIL = ["email:ada.moore@example.com"]


@pytest.mark.parametrize(
    ("event", "told"),
    [
        ("customers_merged", {"customer": ADA, "sequence": 3, "other": BEA, "identifiers": MAIL}),
        ("customer_merged_into", {"customer": BEA, "sequence": 9, "other": ADA}),
        ("identifiers_joined", {"customer": ADA, "sequence": 3, "other": CARL, "identifiers": MAIL}),
        ("identifiers_left", {"customer": CARL, "sequence": 14, "other": ADA, "identifiers": MAIL}),
        (
            "link_refused",
            {
                "customer": ADA,
                "sequence": 3,
                "cause": "account-7",
                "identifiers": ["customer_id:C-1042", "phone:+19785550142"],
                "reason": "limit:customer_id",
            },
        ),
        (
            "lifecycle_changed",
            {
                "customer": ADA,
                "sequence": 3,
                "cause": "clock",
                "before": "active",
                "after": "at_risk",
                "effective_at": at("2025-06-03T20:15:00Z"),
            },
        ),
    ],
)
def test_each_change_of_a_customer_is_one_row(tells: Tells, event: str, told: dict[str, Any]) -> None:
    assert tells("customer_changes", f"profile.{event}") == [{**CHANGE, "event": event, **told}]


def test_a_customers_first_stage_of_life_follows_none(tells: Tells) -> None:
    [row] = tells("customer_changes", "profile.lifecycle_changed", before=None, after="new")

    assert (row["before"], row["after"]) == ("", "new")


SATISFACTION = {"latest_at": "2025-03-10T08:00:00.000000Z", "perceived_to_expected_permille": None}


def test_a_customer_is_one_row_with_a_column_for_every_fact(tells: Tells) -> None:
    dollars = {"orders": 3, "gross_minor": 900, "refunded_minor": 100, "net_minor": 800, "average_order_minor": 300}
    yen = {"orders": 2, "gross_minor": 5000, "refunded_minor": 0, "net_minor": 5000, "average_order_minor": 2500}
    case = {"step": "received", "changed_at": "2025-03-04T00:00:00Z", "category": None, "severity": None}
    order = {"occurred_at": "2025-03-05T20:15:00Z", "total_minor": 1, "currency": "USD"}

    [row] = tells(
        "customers",
        "profile",
        emails=["a@x.org"],
        phones=["+4930"],
        touchpoints=9,
        by_channel={"shop": {"count": 5, "last_at": "2025-03-05T20:20:00Z"}},
        spend={"USD": dollars, "JPY": yen},
        recent_orders=[{"order_id": "A-2", **order}, {"order_id": "A-1", **order}],
        first_order_at="2025-03-05T20:16:00Z",
        last_order_at="2025-03-05T20:17:00Z",
        orders=5,
        open_cases=[
            {"case_id": "C-2", "opened_at": "2025-03-04T00:00:00Z", **case},
            {"case_id": "C-1", "opened_at": "2025-03-03T00:00:00Z", **case},
        ],
        cases=6,
        satisfaction={
            "csat": SATISFACTION
            | {"answers": 2, "asked": 4, "mean_permille": 800, "latest_permille": 600, "perceived_to_expected_permille": 1250},
            "nps": SATISFACTION | {"answers": 1, "asked": 1, "mean_permille": 300, "latest_permille": 100},
            "ces": SATISFACTION | {"answers": 3, "asked": 5, "mean_permille": 0, "latest_permille": 200},
        },
        sentiment_permille=-250,
        responses=12,
        awaiting_response=13,
    )

    assert row == {
        "customer": ADA,
        "sequence": 3,
        "as_of": at("2025-03-05T20:20:01Z"),
        "merged_into": None,
        "identifiers": ["customer_id:C-1042", "email:ada.moore@example.com"],
        "customer_ids": ["C-1042"],
        "emails": ["a@x.org"],
        "phones": ["+4930"],
        "traits": {"first_name": "Ada"},
        "first_seen_at": at("2025-03-05T20:15:00Z"),
        "last_seen_at": at("2025-03-05T20:20:00Z"),
        "touchpoints": 9,
        "touchpoints_by_type": {"purchase": 1, "identify": 1},
        "last_by_type": {"purchase": at("2025-03-05T20:15:00Z"), "identify": at("2025-03-05T20:20:00Z")},
        "touchpoints_by_source": {"shop": 5},
        "usual_channel": "shop",
        "preferred_channel": "mail",
        "lifecycle": "new",
        "orders": 5,
        "currency": "USD",
        "divisor": 100,
        "gross_minor": 900,
        "refunded_minor": 100,
        "net_minor": 800,
        "average_order_minor": 300,
        "net_minor_by_currency": {"USD": 800, "JPY": 5000},
        "first_order_at": at("2025-03-05T20:16:00Z"),
        "last_order_at": at("2025-03-05T20:17:00Z"),
        "last_order_id": "A-2",
        "favourite_items": ["CD-3"],
        "favourite_categories": ["rock"],
        "cases": 6,
        "open_cases": ["C-2", "C-1"],
        "oldest_open_case_at": at("2025-03-03T00:00:00Z"),
        "surveys_asked": 10,
        "surveys_answered": 6,
        "csat_mean": 0.8,
        "csat_latest": 0.6,
        "nps_mean": 0.3,
        "ces_mean": 0.0,
        "perceived_to_expected": 1.25,
        "sentiment": -0.25,
        "response_seconds_mean": 440,
        "responses": 12,
        "awaiting_response": 13,
        "open_needs": {"jazz": "Looking for jazz from the seventies"},
        "opportunities": {"O-5": "proposed"},
        "memberships": {"Gold Club": "joined"},
        "consents": {"marketing/email": True},
    }


def test_of_a_customer_who_did_nothing_yet_nothing_is_made_up(tells: Tells) -> None:
    lists = ("identifiers", "recent_orders", "open_cases", "favourite_items", "favourite_categories", "open_needs", "opportunities")
    absent = ("first_seen_at", "usual_channel", "preferred_channel", "first_order_at", "last_order_at", "sentiment_permille")

    [row] = tells(
        "customers",
        "profile",
        **{name: [] for name in lists},
        **dict.fromkeys(absent),
        spend={},
        satisfaction={},
        merged_into=str(BEA),
    )

    sums = ("gross_minor", "refunded_minor", "net_minor", "average_order_minor", "surveys_asked", "surveys_answered")
    assert {row[name] for name in sums} == {0}
    unknown = ("first_seen_at", "first_order_at", "last_order_at", "oldest_open_case_at", "sentiment", "perceived_to_expected")
    answers = ("csat_mean", "csat_latest", "nps_mean", "ces_mean")
    assert {row[name] for name in unknown + answers} == {None}
    assert {row[name] for name in ("currency", "last_order_id", "usual_channel", "preferred_channel")} == {""}
    assert (row["merged_into"], row["divisor"], row["net_minor_by_currency"]) == (BEA, 100, {})


@pytest.mark.parametrize(
    ("orders", "usual"),
    [
        ({"EUR": (2, 10), "USD": (1, 900)}, "EUR"),
        ({"EUR": (2, 10), "USD": (2, 900)}, "USD"),
        ({"USD": (2, 900), "EUR": (2, 900)}, "EUR"),
        ({"USD": (1, 900), "JPY": (2, 900)}, "JPY"),
    ],
)
def test_a_customers_currency_is_that_of_most_orders_then_of_the_greatest_sum(
    tells: Tells, orders: dict[str, tuple[int, int]], usual: str
) -> None:
    rest = {"refunded_minor": 0, "net_minor": 0, "average_order_minor": 0}
    spend = {currency: {"orders": count, "gross_minor": gross, **rest} for currency, (count, gross) in orders.items()}

    [row] = tells("customers", "profile", spend=spend)

    assert (row["currency"], row["divisor"], row["gross_minor"]) == (usual, 1 if usual == "JPY" else 100, orders[usual][1])


def test_a_loyalty_account_is_one_row_with_its_lots_beside_each_other(tells: Tells) -> None:
    lot = {"source_event": "s", "rule_version": 1, "available_from": "2025-03-05T00:00:00Z"}
    sums = {"balance": 1, "available": 2, "pending": 3, "earned": 4, "expired": 5, "redeemed": 6, "adjusted": 7}

    [row] = tells(
        "loyalty_accounts",
        "account",
        **sums,
        merged_into=str(BEA),
        qualifying=8,
        next_expiry_at="2026-03-05T20:16:00Z",
        next_expiry_points=9,
        lots=[
            {**lot, "lot_id": "a:base", "rule": "base", "earned_at": "2025-01-01T00:00:00Z", "expires_at": None, "remaining": 10},
            {
                **lot,
                "lot_id": "b:extra",
                "rule": "extra",
                "earned_at": "2025-01-02T00:00:00Z",
                "expires_at": "2026-01-02T00:00:00Z",
                "remaining": -3,
            },
        ],
    )

    assert row == {
        **sums,
        "account": ADA,
        "sequence": 2,
        "as_of": at("2025-03-05T20:20:01Z"),
        "merged_into": BEA,
        "programme": "rapport",
        "tier": "silver",
        "tier_since": at("2025-03-05T20:15:00Z"),
        "tier_until": at("2026-03-05T20:15:00Z"),
        "qualifying": 8,
        "next_expiry_at": at("2026-03-05T20:16:00Z"),
        "next_expiry_points": 9,
        "lot_ids": ["a:base", "b:extra"],
        "lot_rules": ["base", "extra"],
        "lot_earned_at": [at("2025-01-01T00:00:00Z"), at("2025-01-02T00:00:00Z")],
        "lot_expires_at": [None, at("2026-01-02T00:00:00Z")],
        "lot_remaining": [10, -3],
    }


def test_a_ledger_entry_is_one_row(tells: Tells) -> None:
    row = {
        "entry_id": f"{ADA}:1",
        "account": ADA,
        "sequence": 1,
        "recorded_at": at("2025-03-05T20:20:01Z"),
        "effective_at": at("2025-03-05T20:15:00Z"),
        "cause": "shop-A-1042",
        "programme": "rapport",
        "ledger": "points",
        "currency": "",
        "kind": "earn",
        "corrects": "",
        "corrected_kind": "",
        "amount": 47,
        "balance": 48,
        "lot_id": "shop-A-1042:base",
        "source_event": "shop-A-1042",
        "rule": "base",
        "rule_version": 1,
        "available_from": at("2025-03-06T20:15:00Z"),
        "expires_at": at("2026-03-05T20:15:00Z"),
        "id": 7,
    }
    assert tells("loyalty_ledger", "loyalty.entry_posted", balance=48, available_from="2025-03-06T20:15:00Z") == [row]

    correction = {"kind": "compensate", "corrects": f"{ADA}:0", "corrected_kind": "expire", "ledger": "stored_value", "currency": "EUR"}
    unruled = {"rule_version": None, "available_from": None, "expires_at": None}
    assert tells("loyalty_ledger", "loyalty.entry_posted", balance=48, rule=None, **correction, **unruled) == [
        row | correction | unruled | {"rule": ""}
    ]


def test_another_tier_is_one_row_and_so_is_a_merged_account(tells: Tells) -> None:
    head = {"recorded_at": at("2025-03-05T20:20:01Z"), "id": 7}
    changed = {**head, "account": ADA, "sequence": 1, "event": "tier_changed", "effective_at": at("2025-03-05T20:15:00Z")}
    changed |= {"cause": "shop-A-1042", "programme": "rapport", "after": "silver", "qualifying": 47, "survivor": None}

    assert tells("loyalty_changes", "loyalty.tier_changed") == [{**changed, "before": ""}]
    assert tells("loyalty_changes", "loyalty.tier_changed", before="gold") == [{**changed, "before": "gold"}]
    assert tells("loyalty_changes", "loyalty.account_merged_into") == [
        {
            **head,
            "account": BEA,
            "sequence": 4,
            "event": "account_merged_into",
            "effective_at": head["recorded_at"],
            "cause": f"merge:{BEA}",
            "programme": "",
            "before": "",
            "after": "",
            "qualifying": 0,
            "survivor": ADA,
        }
    ]


def test_a_redemption_is_one_row(tells: Tells) -> None:
    assert tells(
        "redemptions", "loyalty.redemption_accepted", customer_id=str(BEA), anchor=str(CARL), occurred_at="2025-04-02T09:29:00Z"
    ) == [
        {
            "redemption_id": "voucher-2025-0017",
            "account": ADA,
            "sequence": 7,
            "asked": BEA,
            "anchor": CARL,
            "points": 40,
            "occurred_at": at("2025-04-02T09:29:00Z"),
            "recorded_at": at("2025-04-02T09:30:00Z"),
            "source": "till-berlin",
            "why": "voucher of 4 EUR",
            "balance": 7,
            "id": 7,
        }
    ]


def test_what_was_refused_is_one_row_as_it_came(tells: Tells) -> None:
    from_kafka = {"topic": "touchpoints", "partition": 2, "offset": 17}
    told = {"event_id": "shop-1", "type": "purchase", "source": "shop", "occurred_at": "2025-03-05T20:15:00Z"}
    row = {
        **from_kafka,
        **told,
        "quarantine_id": "ingest:9f86d081884c7d65",
        "stage": "ingest",
        "reason": "invalid",
        "path": "$.payload.total_minor",
        "detail": "Expected `int` >= 0",
        "received_at": at("2025-03-05T20:20:00Z"),
        "quarantined_at": at("2025-03-05T20:20:01Z"),
        "original": "/w==",
        "encoding": "base64",
        "id": 70,
    }
    changes = {"received_at": "2025-03-05T20:20:00Z", "original": "/w==", "encoding": "base64"}

    assert tells("quarantine", "quarantined", **changes, **from_kafka) == [row]
    assert tells("quarantine", "quarantined", **changes, **dict.fromkeys(told)) == [
        {**row, **dict.fromkeys(told, ""), "topic": "", "partition": None, "offset": None}
    ]


def test_what_a_person_decided_about_it_is_one_row(tells: Tells) -> None:
    row = {
        "quarantine_id": "ingest:9f86d081884c7d65",
        "decision_id": "0b8f6f5e-8a43-4f0e-9a55-0d1a5f2c7a10",
        "decision": "redriven",
        "decided_by": "ada",
        "decided_at": at("2025-03-06T09:00:00Z"),
        "why": "the till sent its totals with the sign of a refund",
        "fix": ["replace $.payload.total_minor 1"],
        "event_id": "shop-1",
        "id": 70,
    }

    assert tells("quarantine_decisions", "quarantine_decided") == [row]
    assert tells("quarantine_decisions", "quarantine_decided", event_id=None) == [{**row, "event_id": ""}]
