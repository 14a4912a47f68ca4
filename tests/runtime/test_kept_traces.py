"""What is decided under a trace is published under it, also where a crash comes in between."""

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from services.runtime.event_store import TRACES, EventStore, NewEvent, Transaction
from services.runtime.event_store_memory import MemoryDatabase, MemoryEventStore
from services.runtime.event_store_sqlite import SQLiteEventStore
from services.runtime.kept_traces import KeptTraces

TRACE = b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01"
Open = Callable[[], EventStore]


@pytest.fixture(params=["memory", "sqlite"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Opens the same store again and again, as processes that follow one another do."""
    database = MemoryDatabase()
    stores: list[EventStore] = []

    def open_store() -> EventStore:
        new: EventStore = MemoryEventStore(database) if request.param == "memory" else SQLiteEventStore(tmp_path / "store.db")
        stores.append(new)
        return new

    yield open_store
    for store in stores:
        store.close()


def decided(count: int, **traces: bytes) -> Transaction:
    events = [NewEvent(uuid4(), 1, "happened", b"{}") for _ in range(count)]
    return Transaction(events=events, traces={int(index[1:]): found for index, found in traces.items()})


def commit(store: EventStore, kept: KeptTraces, transaction: Transaction) -> None:
    kept.write(transaction, store.last_id + 1)
    first = store.commit(transaction)
    kept.committed(first, transaction.traces)


def test_a_process_that_crashes_before_it_published_leaves_the_trace_to_the_next(opened: Open) -> None:
    # given
    store = opened()
    kept = KeptTraces(store)
    kept.lead(0)
    commit(store, kept, decided(2))
    commit(store, kept, decided(3, _1=TRACE))
    assert kept.by_id == {4: TRACE}
    # when it dies, and another one publishes from the store
    again = opened()
    next_one = KeptTraces(again)
    next_one.lead(2)
    next_one.load(again.events_after(2, 10))
    # then
    assert next_one.by_id == {4: TRACE}


def test_a_trace_is_kept_no_longer_than_until_its_event_is_published(opened: Open) -> None:
    store = opened()
    kept = KeptTraces(store)
    kept.lead(0)
    commit(store, kept, decided(1, _0=TRACE))
    kept.published(1)
    commit(store, kept, decided(1))
    assert (kept.by_id, dict(store.all_rows(TRACES))) == ({}, {})


def test_what_outlived_a_crash_after_publishing_is_cleared_away_by_the_next_process(opened: Open) -> None:
    store = opened()
    kept = KeptTraces(store)
    kept.lead(0)
    commit(store, kept, decided(2, _0=TRACE, _1=TRACE))
    again = opened()
    next_one = KeptTraces(again)
    next_one.lead(published=1)
    commit(again, next_one, decided(1))
    assert list(dict(again.all_rows(TRACES))) == ["2"]


def test_a_commit_that_failed_clears_nothing_away(opened: Open) -> None:
    store = opened()
    kept = KeptTraces(store)
    kept.lead(0)
    commit(store, kept, decided(1, _0=TRACE))
    kept.published(1)
    kept.write(decided(1), store.last_id + 1)  # and then it failed
    commit(store, kept, decided(1))
    assert dict(store.all_rows(TRACES)) == {}


def test_without_traces_nothing_is_written_beside_the_events(opened: Open) -> None:
    store = opened()
    kept = KeptTraces(store)
    kept.lead(0)
    transaction = decided(3)
    commit(store, kept, transaction)
    assert transaction.rows == {}
