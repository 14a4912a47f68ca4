"""What the profile stage writes into its log about people: nothing; and about events, at debug, their ids."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from services.runtime.logging import configure_logging
from tests.profile.stage_run import Run
from tests.profile.touchpoints import Record, records, touchpoint

PERSONAL = ["ada@lovelace.example", "Lovelace", "+442071234567", "4 St James Square", "C-ADA-1815", "my divorce", "10.11.12.13"]


@pytest.fixture
def output() -> Iterator[io.StringIO]:
    before = logging.root.handlers[:], logging.root.level
    yield io.StringIO()
    logging.root.handlers[:], logging.root.level = before
    structlog.reset_defaults()


def live_through_everything() -> Run:
    """Touchpoints of one person that are applied, joined, repeated, contradicted, unreadable and overdue."""
    run = Run()
    said = touchpoint("till-1", "customer_id:C-ADA-1815", "email:ada@lovelace.example", type="identify", traits={"name": "Lovelace"})
    bought = touchpoint(
        "till-2", "email:ada@lovelace.example", type="purchase", order_id="4 St James Square", total_minor=5, currency="EUR", lines=[]
    )
    called = touchpoint("till-3", "phone:+442071234567", "customer_id:C-ADA-1815", note="my divorce", name="10.11.12.13")
    contradicted = touchpoint("till-3", "phone:+442071234567", name="Lovelace")
    wrong_type = touchpoint("till-4", "email:ada@lovelace.example", type="purchase", order_id=["Lovelace"], currency="my divorce")
    nobody = touchpoint("till-5", "email:4 St James Square", name="Lovelace")
    run.feed(said, bought, called, said, contradicted, wrong_type, nobody)
    broken = json.dumps(said).encode()[:-9]
    run.feed_records(
        [Record(broken, run.offset), Record(b"\xff ada@lovelace.example", run.offset + 1), *records(said, start=run.offset + 2)]
    )
    run.tick(run.clock.now_ms() + 400 * 24 * 3_600_000)
    return run


@pytest.mark.parametrize("level", ["info", "debug"])
def test_no_value_that_a_person_is_known_by_is_logged(output: io.StringIO, level: str) -> None:
    # given
    configure_logging(level, json=True, stream=output)
    # when
    run = live_through_everything()
    # then
    assert run.outcomes["applied", ""] == 3
    assert run.outcomes["duplicate", ""] == 2
    assert sum(count for (outcome, _), count in run.outcomes.items() if outcome == "quarantined") == 5
    published = json.dumps(run.events(), ensure_ascii=False)
    assert all(value in published for value in PERSONAL)
    assert not [value for value in PERSONAL if value.lower() in output.getvalue().lower()]


def test_ids_of_events_and_customers_are_logged_at_debug_and_not_above(output: io.StringIO) -> None:
    # given
    configure_logging("info", json=True, stream=output)
    run = live_through_everything()
    (customer,) = {event["customer_id"] for event in run.events("touchpoint_applied") if event["touchpoint"]["event_id"] == "till-1"}
    # then
    assert "till-" not in output.getvalue()
    assert customer not in output.getvalue()
    # when
    configure_logging("debug", json=True, stream=output)
    live_through_everything()
    # then
    lines = [json.loads(line) for line in output.getvalue().splitlines()]
    assert {line["level"] for line in lines} == {"debug"}
    found = {(line["event"], line.get("event_id")): line for line in lines}
    assert found["applied", "till-1"]["customer_id"] == customer
    assert ("duplicate", "till-1") in found
    assert found["quarantined", "till-3"]["reason"] == "conflicting_duplicate"
