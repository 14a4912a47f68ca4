"""Workers share one identity graph: whoever gets there first, the customers come out the same."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.profile_events import Profile
from services.profile.lifecycle import LifecyclePolicy
from services.profile.stage import KINDS, ProfileStage
from services.runtime.clock import SetClock
from services.runtime.event_store import EventStore, Stale
from services.runtime.event_store_postgres import PostgresEventStore
from services.runtime.event_store_sqlite import SQLiteEventStore
from tests.profile.stage_run import NOW, POLICY, Run
from tests.profile.touchpoints import logs, records


class Worker:
    """A stage with a connection of its own, reading one partition."""

    def __init__(self, store: EventStore, partition: str, log: list[dict[str, Any]]) -> None:
        self.store, self.partition, self.log = store, partition, log
        self.stage = ProfileStage(store, POLICY, LifecyclePolicy(), SetClock(NOW))
        self.done = 0

    def work(self, count: int) -> None:
        """Takes the next touchpoints; where another worker was faster, forgets everything and decides again."""
        batch = self.log[self.done : self.done + count]
        for _ in range(3):
            transaction = self.stage.decide(records(*batch, start=self.done))
            transaction.positions[self.partition] = (self.done, self.done + len(batch))
            try:
                self.store.commit(transaction)
            except Stale:
                self.stage.forget()
                continue
            self.done += len(batch)
            return
        raise AssertionError("stale three times, though only this worker was at work")


@pytest.fixture(params=["sqlite", "postgres"])
def new_database(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Callable[[], EventStore]]:
    def new() -> Callable[[], EventStore]:
        name = "s" + uuid4().hex
        if request.param == "sqlite":
            return lambda: SQLiteEventStore(tmp_path / name, kinds=KINDS)
        address = request.getfixturevalue("postgres_address")
        return lambda: PostgresEventStore(address, schema=name, kinds=KINDS)

    return new


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(left=logs(8), right=logs(8), turns=st.lists(st.tuples(st.booleans(), st.integers(1, 3)), max_size=12))
def test_two_workers_on_one_store_make_the_customers_that_one_would_make(
    new_database: Callable[[], Callable[[], EventStore]], left: list[Any], right: list[Any], turns: list[tuple[bool, int]]
) -> None:
    right = [one | {"event_id": one["event_id"] + "b"} for one in right]
    connect = new_database()
    workers = [Worker(connect(), "touchpoints:0", left), Worker(connect(), "touchpoints:1", right)]
    for second, count in [*turns, (False, len(left)), (True, len(right))]:
        workers[second].work(count)
    alone = Run()
    alone.feed(*left, *right)
    fresh = ProfileStage(workers[0].store, POLICY, LifecyclePolicy(), SetClock(NOW))
    shown = [
        Profile.model_validate_json(message.value or b"").model_dump() for message in fresh.snapshots(workers[0].store.originators_after(0))
    ]
    living = {one["customer_id"]: {k: v for k, v in one.items() if k != "sequence"} for one in shown if one["identifiers"]}
    assert living == alone.living()
    versions = [(event.originator, event.version) for event in workers[0].store.events_after(0, 10_000)]
    assert len(set(versions)) == len(versions)
    for worker in workers:
        worker.store.close()
