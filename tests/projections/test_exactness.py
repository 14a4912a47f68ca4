"""Nothing is counted twice and nothing is lost: in every view, however messages come, while no part is merged."""

import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.projections import shop
from tests.projections.conftest import Analyst
from tests.projections.published import Said

KEYS = {
    "touchpoints": "event_id",
    "purchases": "event_id",
    "purchase_lines": "(event_id, line)",
    "refunds": "event_id",
    "case_steps": "event_id",
    "surveys": "event_id",
    "cases": "(case_id, customer_id)",
    "conversations": "(conversation, customer_id)",
    "customers": "customer_id",
    "customer_360": "customer_id",
    "rfm": "customer_id",
    "customer_identifiers": "identifier_id",
    "customer_changes": "(changed_id, sequence)",
    "loyalty_accounts": "account_id",
    "loyalty_ledger": "entry_id",
    "loyalty_changes": "(account_id, sequence)",
    "quarantine": "quarantine_id",
}
"""What identifies a row of each table and of each view that has one."""
FIGURES = (
    "lifecycle",
    "cohort_retention",
    "channel_mix",
    "daily_activity",
    "daily_revenue",
    "satisfaction",
    "response_times",
    "repeat_purchase",
    "loyalty_liability",
)
MOVING = {"recency_days", "age_seconds", "median_recency_days", "mean_age_days"}
"""Columns that change by time alone."""
MESSAGES = shop.published()


def everything(analyst: Analyst) -> dict[str, Any]:
    """The whole content of every view, without what time changes."""
    found: dict[str, Any] = {}
    for view in (*KEYS, *FIGURES):
        columns = [name for (name,) in analyst.ask("SELECT name FROM system.columns WHERE database = 'rapport' AND table = %(v)s", v=view)]
        steady = ", ".join(name for name in columns if name not in MOVING)
        found[view] = sorted(map(repr, analyst.ask(f"SELECT {steady} FROM rapport.{view}")))
    return found


@pytest.fixture(scope="module")
def once(migrated: Analyst) -> dict[str, Any]:
    """What everything looks like when each message came once, in order."""
    migrated.empty()
    migrated.deliver(*MESSAGES)
    return everything(migrated)


def test_no_view_is_empty_here_or_the_other_tests_would_prove_nothing(once: dict[str, Any]) -> None:
    assert [view for view, rows in once.items() if not rows] == []


def test_a_row_for_each_key_although_every_message_came_three_times(analyst: Analyst) -> None:
    for cut in (1, 4, len(MESSAGES)):
        for start in range(0, len(MESSAGES), cut * 7):
            analyst.deliver(*MESSAGES[start : start + cut * 7])

    for view, key in KEYS.items():
        ((rows, keys),) = analyst.ask(f"SELECT count(), uniqExact({key}) FROM rapport.{view}")
        assert rows == keys > 0, view
    merged = "SELECT DISTINCT table FROM system.parts WHERE active AND rows > 0 AND min_block_number < max_block_number"
    assert [table for (table,) in analyst.ask(f"{merged} AND database = 'rapport_store'") if table != "migrations"] == []


def test_repeated_batches_change_nothing(analyst: Analyst, once: dict[str, Any]) -> None:
    for _ in range(3):
        analyst.deliver(*MESSAGES)

    assert everything(analyst) == once


def test_a_repeated_batch_is_not_even_stored(analyst: Analyst) -> None:
    analyst.deliver(*MESSAGES)
    before = analyst.ask("SELECT count() FROM system.parts WHERE active AND database = 'rapport_store'")

    analyst.deliver(*MESSAGES)

    assert analyst.ask("SELECT count() FROM system.parts WHERE active AND database = 'rapport_store'") == before


def _deliveries(seed: int, repeats: float) -> list[list[Said]]:
    """Batches of any size in any order, in which messages come again."""
    dice = random.Random(seed)
    said = [*MESSAGES, *(message for message in MESSAGES if dice.random() < repeats)]
    dice.shuffle(said)
    batches: list[list[Said]] = []
    while said:
        size = dice.randint(1, 40)
        batches.append(said[:size])
        said = said[size:]
    return batches


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**6), repeats=st.sampled_from([0.0, 0.5, 1.0]))
def test_any_order_any_batching_and_any_repetition_gives_the_same(
    analyst: Analyst, once: dict[str, Any], seed: int, repeats: float
) -> None:
    analyst.empty()

    for batch in _deliveries(seed, repeats):
        analyst.deliver(*batch)

    found = everything(analyst)
    assert {view: rows for view, rows in found.items() if rows != once[view]} == {}


def test_merging_the_parts_changes_nothing(analyst: Analyst, once: dict[str, Any]) -> None:
    for batch in _deliveries(1, 1.0):
        analyst.deliver(*batch)

    analyst.warehouse.command("SYSTEM START MERGES")
    for name in ("touchpoints", "identifier_moves", "identifier_holders", "customers", "purchases", "loyalty_ledger"):
        analyst.warehouse.command(f"OPTIMIZE TABLE rapport_store.{name} FINAL")

    assert everything(analyst) == once


def test_tables_rebuilt_from_the_first_message_hold_the_same(analyst: Analyst, once: dict[str, Any]) -> None:
    analyst.deliver(*MESSAGES[:20])
    analyst.empty()

    for message in MESSAGES:
        analyst.deliver(message)

    assert everything(analyst) == once
