"""What analysts read agrees with what the profile stage knows: its real output, delivered in any order, merges and splits included."""

import random
from collections import Counter
from itertools import count
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas import topics
from services.projections.batch_rows import rows_of_batch
from services.projections.tables import identifier_moves, touchpoints
from tests.profile.stage_run import Run
from tests.profile.touchpoints import logs
from tests.projections.conftest import Analyst
from tests.projections.published import Said

_NOBODY = UUID(int=0)


def said_by(run: Run) -> list[Said]:
    """Everything that the stage published, with its headers."""
    events = [
        Said(
            topics.PROFILE_CHANGES.name,
            str(event.originator).encode(),
            event.state,
            (("id", b"%d" % event.id), ("type", event.type.encode()), ("sequence", b"%d" % event.version)),
        )
        for event in run.store.events_after(0, 100_000)
    ]
    run.stage.forget()
    offsets = count()
    snapshots = run.stage.snapshots([one for one in run.store.originators_after(0) if run.store.rows("customers", [str(one)])])
    return events + [Said(m.topic, m.key, m.value, m.headers, offset=next(offsets)) for m in snapshots]


def run_of(log: list[dict[str, Any]], seed: int) -> Run:
    """The stage after the log came shuffled, in two batches."""
    run, shuffled = Run(), list(log)
    random.Random(seed).shuffle(shuffled)
    run.feed(*shuffled[: len(log) // 2])
    run.feed(*shuffled[len(log) // 2 :])
    return run


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(log=logs(), seed=st.integers(0, 1000))
def test_the_identifiers_that_moved_are_enough_to_find_the_customer_of_every_touchpoint(log: list[dict[str, Any]], seed: int) -> None:
    run = run_of(log, seed)

    rows = rows_of_batch(said_by(run)).rows

    moved: dict[UUID, tuple[int, UUID]] = {}
    for identifier, customer, id in rows[identifier_moves.TABLE]:
        moved[identifier] = max(moved.get(identifier, (0, _NOBODY)), (id, customer))
    anchor, customer_at = (touchpoints.TABLE.columns.index(name) for name in ("anchor", "customer_at"))
    holders = [moved.get(row[anchor], (0, row[customer_at]))[1] for row in rows[touchpoints.TABLE]]
    assert Counter(map(str, holders)) == counted({id: profile["touchpoints"] for id, profile in run.living().items()})


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(log=logs(largest=40), seed=st.integers(0, 1000))
def test_views_over_events_agree_with_the_stages_own_snapshots(analyst: Analyst, log: list[dict[str, Any]], seed: int) -> None:
    # given: what the stage said, shuffled, half of it twice
    analyst.empty()
    run = run_of(log, seed)
    messages = said_by(run)
    messages += messages[::2]
    random.Random(seed).shuffle(messages)
    for start in range(0, len(messages), 60):
        analyst.deliver(*messages[start : start + 60])

    known = run.living()

    assert {str(id) for (id,) in analyst.ask("SELECT customer_id FROM rapport.customers")} == set(known)
    assert by_customer(analyst, "count() FROM rapport.touchpoints") == counted({id: one["touchpoints"] for id, one in known.items()})
    assert by_customer(analyst, "sum(touchpoints) FROM rapport.customers") == counted({id: one["touchpoints"] for id, one in known.items()})
    assert by_customer(analyst, "count() FROM rapport.purchases") == counted({id: one["orders"] for id, one in known.items()})
    assert by_customer(analyst, "count() FROM rapport.cases") == counted({id: one["cases"] for id, one in known.items()})
    assert by_customer(analyst, "countIf(is_open) FROM rapport.cases") == counted({id: len(one["open_cases"]) for id, one in known.items()})
    assert by_customer(analyst, "countIf(isNotNull(first_reply_at)) FROM rapport.conversations") == counted(
        {id: one["responses"] for id, one in known.items()}
    )
    assert by_customer(analyst, "countIf(awaiting) FROM rapport.conversations") == counted(
        {id: one["awaiting_response"] for id, one in known.items()}
    )
    assert by_customer(analyst, "sum(amount_minor) FROM rapport.refunds") == counted(
        {id: sum(spend["refunded_minor"] for spend in one["spend"].values()) for id, one in known.items() if one["spend"]}
    ) | refunds_without_a_purchase(analyst, known)


def by_customer(analyst: Analyst, what: str) -> dict[str, int]:
    return counted(
        {str(id): value for value, id in analyst.ask(f"SELECT {what.replace(' FROM', ', customer_id FROM')} GROUP BY customer_id")}
    )


def counted(values: dict[str, int]) -> dict[str, int]:
    return {id: value for id, value in values.items() if value}


def refunds_without_a_purchase(analyst: Analyst, known: dict[str, Any]) -> dict[str, int]:
    """The profile shows refunds beside purchases in their currency; without any, a refund is in the table only."""
    silent = {id for id, one in known.items() if "EUR" not in one["spend"]}
    return {id: value for id, value in by_customer(analyst, "sum(amount_minor) FROM rapport.refunds").items() if id in silent}
