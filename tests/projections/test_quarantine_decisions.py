"""What people decided about refused input, beside the input itself."""

from itertools import permutations
from typing import Any

from tests.projections.conftest import Analyst
from tests.projections.published import Story

LATER = "2025-03-06T10:00:00.000000Z"
STATE = "SELECT state, decisions, decided_by, toString(decided_at) AS at, why, fix, redriven_event_id, reason FROM rapport.quarantine"


def test_what_nobody_decided_about_is_waiting(analyst: Analyst) -> None:
    analyst.deliver(Story().quarantined("ingest:1"))

    row = analyst.row(STATE)

    assert (row["state"], row["decisions"], row["decided_by"], row["at"], row["fix"]) == ("waiting", 0, "", None, [])


def test_a_decision_is_shown_with_who_when_why_and_its_fix_beside_the_original_fields(analyst: Analyst) -> None:
    story = Story()
    fix = ["remove $.payload.x", 'replace $.type "visit"']
    decided = story.decided("ingest:1", "redriven", why="the till was wrong", fix=fix, event_id="e1", decided_at=LATER)

    analyst.deliver(story.quarantined("ingest:1"), decided)

    assert analyst.ask(STATE) == [("redriven", 1, "ada", "2025-03-06 10:00:00.000000", "the till was wrong", fix, "e1", "invalid")]


def test_of_several_decisions_the_latest_counts_however_often_and_in_whatever_order_they_come(analyst: Analyst) -> None:
    story = Story()
    said = [
        story.quarantined("ingest:1"),
        story.decided("ingest:1", "discarded", "d1"),
        story.decided("ingest:1", "redriven", "d2", decided_at=LATER, decided_by="bob"),
    ]
    found: list[Any] = []
    for order in permutations(said):
        analyst.empty()
        for message in (*order, *reversed(order)):
            analyst.deliver(message)
        found += analyst.ask(STATE)

    assert found == [("redriven", 2, "bob", "2025-03-06 10:00:00.000000", "", [], "", "invalid")] * 6


def test_input_that_comes_again_after_it_was_decided_about_stays_decided(analyst: Analyst) -> None:
    story = Story()

    analyst.deliver(story.quarantined("ingest:1"), story.decided("ingest:1", "discarded"))
    analyst.deliver(story.quarantined("ingest:1"))

    assert analyst.row(STATE)["state"] == "discarded"
