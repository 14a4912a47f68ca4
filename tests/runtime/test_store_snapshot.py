"""A store is read whole as it was at one moment, while its writer goes on; SQLite and PostgreSQL alike."""

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from pydantic import SecretStr

from services.runtime.event_store import EventStore, NewEvent, Transaction
from services.runtime.event_store_postgres import PostgresEventStore
from services.runtime.event_store_sqlite import SQLiteEventStore
from services.runtime.settings import Settings, StoreSettings
from services.runtime.store_snapshot import StoreMissing, open_snapshot

ONE, OTHER = UUID(int=1), UUID(int=2)


@pytest.fixture(params=["sqlite", "postgres"])
def installed(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[EventStore, Settings]]:
    if request.param == "sqlite":
        settings = Settings(data_dir=tmp_path)
        store: EventStore = SQLiteEventStore(tmp_path / "snapped.sqlite", kinds=["things"], item_kinds=["parts"])
    else:
        address = request.getfixturevalue("postgres_address")
        settings = Settings(data_dir=tmp_path, store=StoreSettings(url=SecretStr(address)))
        store = PostgresEventStore(address, schema="snapped", kinds=["things"], item_kinds=["parts"])
    yield store, settings
    store.close()


def first() -> Transaction:
    return Transaction(
        positions={"touchpoints:0": (0, 7)},
        events=[NewEvent(ONE, 1, "made", b"{}"), NewEvent(OTHER, 1, "made", b'{"a":1}'), NewEvent(ONE, 2, "moved", b"[]")],
        rows={"things": {"ü:1": b"\x00\xff", "b": b"2"}},
        items={"parts": [("b", "z", b"3"), ("a", "y", b"4")]},
        timers={"b": 50, "c": 60},
        watermarks={"published": 2},
    )


def test_a_snapshot_shows_everything_of_its_moment_and_nothing_of_later_commits(installed: tuple[EventStore, Settings]) -> None:
    store, settings = installed
    store.commit(first())

    with open_snapshot(settings, "snapped") as snapshot:
        store.commit(
            Transaction(positions={"touchpoints:0": (7, 9)}, events=[NewEvent(OTHER, 2, "moved", b"")], rows={"things": {"b": None}})
        )

        assert snapshot.positions() == {"touchpoints:0": 7}
        assert dict(snapshot.rows("things")) == {"ü:1": b"\x00\xff", "b": b"2"}
        assert list(snapshot.items("parts")) == [("a", "y", b"4"), ("b", "z", b"3")]
        assert snapshot.due(50) == {"b"}
        assert (snapshot.watermark("published"), snapshot.watermark("never set"), snapshot.last_id()) == (2, 0, 3)
        assert snapshot.originators_after(1) == {ONE, OTHER}
        assert [(event.id, event.type) for event in snapshot.events()] == [(1, "made"), (2, "made"), (3, "moved")]
        assert {originator: [event.version for event in events] for originator, events in snapshot.events_by_originator()} == {
            ONE: [1, 2],
            OTHER: [1],
        }
        assert [(event.id, event.originator) for event in snapshot.events_since({ONE: 1, OTHER: 0})] == [(3, ONE), (2, OTHER)]
        assert snapshot.rows_of("things", ["b", "c"]) == {"b": b"2"}
    with open_snapshot(settings, "snapped") as snapshot:
        assert snapshot.originators_after(3) == {OTHER}
        assert dict(snapshot.rows("things")) == {"ü:1": b"\x00\xff"}


def test_a_stage_that_never_ran_has_no_store(tmp_path: Path) -> None:
    with pytest.raises(StoreMissing, match="has the stage ever run"):
        open_snapshot(Settings(data_dir=tmp_path), "profile")
