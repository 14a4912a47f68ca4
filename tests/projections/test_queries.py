"""The questions that Rapport itself asks, against the small shop."""

from dataclasses import fields
from decimal import Decimal
from uuid import UUID

import pytest

from services.projections.answers import Customer
from services.projections.migrating import migrate_with
from services.projections.queries import Queries
from services.projections.writer import write_positions
from services.runtime.batches import TP, Batch
from services.runtime.warehouse import Warehouse
from tests.projections import shop
from tests.projections.conftest import Analyst
from tests.projections.published import Said, identifier_id

ADA, ADA_MAIL, BOB, CYD = (UUID(identifier_id(name)) for name in (shop.ADA, shop.ADA_MAIL, shop.BOB, shop.CYD))


@pytest.fixture(scope="module")
def queries(clickhouse: str) -> Queries:
    analyst = Analyst(Warehouse(clickhouse), "asked")
    migrate_with(analyst.warehouse, analyst.database)
    analyst.deliver(*shop.published())
    return Queries(analyst.warehouse, analyst.database)


def test_a_customer_is_found_by_any_identifier_that_it_holds(queries: Queries) -> None:
    by_number, by_mail = queries.customer_by_identifier("customer_id", "1"), queries.customer_by_identifier("email", "ada@example.com")

    assert by_number is not None
    assert by_number == by_mail
    assert (by_number.customer_id, by_number.orders, by_number.net, by_number.lifecycle) == (ADA, 2, Decimal(30), "active")
    assert queries.customer_by_identifier("email", "nobody@example.com") is None


def test_looking_one_up_says_what_the_view_says(queries: Queries, clickhouse: str) -> None:
    named = [field.name for field in fields(Customer)]
    rows = Warehouse(clickhouse).select(f"SELECT {', '.join(named)} FROM asked.customers")

    assert len(rows) == 3
    for row in rows:
        assert queries.customer(row[named.index("customer_id")]) == Customer(*row)


def test_a_customer_that_was_written_before_its_profile_was_kept_is_found_too(queries: Queries, clickhouse: str) -> None:
    before = queries.customer(BOB)
    warehouse = Warehouse(clickhouse)

    warehouse.command("TRUNCATE TABLE asked_store.profiles")

    assert before is not None
    assert queries.customer(BOB) == before


def test_a_former_customer_id_leads_to_the_present_customer(queries: Queries) -> None:
    assert queries.customer_now(ADA_MAIL) == ADA
    assert queries.customer_now(ADA) == ADA
    assert queries.customer_now(UUID(int=5)) is None
    assert queries.customer(ADA_MAIL) is None


def test_a_timeline_starts_with_the_latest(queries: Queries) -> None:
    assert [touchpoint.event_id for touchpoint in queries.timeline(ADA)] == ["p2", "s4", "s2", "m2", "m1", "p1"]
    assert [touchpoint.event_id for touchpoint in queries.timeline(ADA_MAIL, limit=2)] == ["p2", "s4"]
    (first, *_) = queries.timeline(CYD)
    assert (first.type, first.source) == ("survey", "shop")
    assert queries.timeline(UUID(int=5)) == []


def test_changes_of_a_customer(queries: Queries) -> None:
    assert [change.event for change in queries.changes(ADA)] == ["lifecycle_changed", "customers_merged"]
    assert [change.reason for change in queries.changes(CYD)] == ["limit:customer_id"]


def test_an_account_and_its_ledger(queries: Queries) -> None:
    account = queries.account(ADA)

    assert account is not None
    assert (account.balance, account.available, account.pending, account.tier) == (30, 20, 10, "silver")
    assert sum(entry.amount for entry in queries.ledger(ADA)) == account.balance
    assert queries.account(UUID(int=5)) is None


def test_counts_for_the_demo(queries: Queries) -> None:
    counts = queries.counts()

    assert (counts.touchpoints, counts.customers, counts.purchases, counts.refunds, counts.quarantined) == (22, 3, 4, 1, 2)
    assert (counts.cases, counts.open_cases, counts.conversations, counts.surveys) == (2, 1, 3, 6)
    assert (counts.merges, counts.refused_links, counts.loyalty_accounts, counts.points, counts.identifiers) == (1, 1, 3, 27, 4)


def test_revenue_and_the_best_buyers(queries: Queries) -> None:
    assert [(r.currency, r.purchases, r.customers, r.total) for r in queries.revenue()] == [
        ("EUR", 3, 2, Decimal(35)),
        ("JPY", 1, 1, Decimal(700)),
    ]
    best = queries.best_buyers(2)
    assert [(buyer.customer_id, buyer.currency, buyer.total) for buyer in best] == [(BOB, "JPY", Decimal(700)), (ADA, "EUR", Decimal(30))]


def test_quarantine_by_list_by_reason_and_whole(queries: Queries) -> None:
    assert {refused.quarantine_id for refused in queries.quarantine()} == {"ingest:1", "ingest:2"}
    assert [refused.quarantine_id for refused in queries.quarantine(reason="unknown_type")] == ["ingest:2"]
    assert queries.quarantine_by_reason() == [("ingest", "invalid", 1), ("ingest", "unknown_type", 1)]
    whole = queries.quarantined("ingest:1")
    assert whole is not None
    assert (whole.original, whole.partition) == ("{}", None)
    assert queries.quarantined("nothing") is None


def test_quarantine_is_filtered_by_what_is_known_of_it_and_by_what_was_decided(queries: Queries) -> None:
    arrived = 1_741_168_800_000_000

    assert queries.quarantine_ids() == ["ingest:1", "ingest:2"]
    assert queries.quarantine_ids(state="waiting") == ["ingest:1"]
    assert queries.quarantine_ids(state="redriven", reason="unknown_type") == ["ingest:2"]
    assert queries.quarantine_ids(since=arrived, until=arrived + 1) == ["ingest:1", "ingest:2"]
    assert queries.quarantine_ids(since=arrived + 1) == queries.quarantine_ids(until=arrived) == []
    assert queries.quarantine_ids(type="purchase") == queries.quarantine_ids(source="' OR 1=1 --") == []
    assert queries.quarantine_by_reason(state="redriven") == [("ingest", "unknown_type", 1)]
    assert [one.redriven_event_id for one in queries.quarantined_whole(["ingest:2", "none", "ingest:1"])] == ["p9", ""]


def test_values_that_look_like_sql_are_only_values(queries: Queries) -> None:
    for value in ("' OR 1=1 --", "\\", "%(id)s", "';DROP TABLE x;--", "\x00", "ü"):
        assert queries.holder("email", value) is None
        assert queries.quarantined(value) is None


def test_positions_say_up_to_where_the_log_is_in(queries: Queries, clickhouse: str) -> None:
    last = Said("profile-events", None, b"", timestamp=1_741_168_800_123)
    write_positions(Warehouse(clickhouse), "asked_store", [Batch(TP("profile-events", 2), 0, 7, [last], 0, 0)])
    write_positions(Warehouse(clickhouse), "asked_store", [Batch(TP("profile-events", 2), 7, 9, [last], 0, 0)])

    (position,) = queries.positions()

    assert (position.topic, position.partition, position.next) == ("profile-events", 2, 9)
    assert position.message_at.microsecond == 123_000
