"""The SQLite file below the event store: its connection, its tables, and the library's recorder over them."""

import fcntl
import os
import sqlite3
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any
from uuid import UUID

from eventsourcing.persistence import OperationalError, StoredEvent
from eventsourcing.sqlite import SQLiteCursor, SQLiteDatastore, SQLiteProcessRecorder

from services.runtime.event_store import RecordedEvent, checked_kinds

MIGRATION_RECORD = "__migration__"  # the library's own row in its tracking table
MAKE_SECONDS = 30.0
KEYS_A_QUERY = (1, 8, 64, 500)
CHECKPOINT_PAGES = 50_000  # of 8 KB: rare, so that a page that changes often is copied once


class SQLiteRecorder(SQLiteProcessRecorder):
    """The library's recorder over our file. What the library writes through it makes our writers stale too."""

    def __init__(self, datastore: SQLiteDatastore, kinds: Iterable[str] = (), item_kinds: Iterable[str] = ()) -> None:
        self._tables = list(_tables(kinds, item_kinds))
        super().__init__(datastore)

    def construct_create_table_statements(self) -> list[str]:
        return super().construct_create_table_statements() + self._tables

    def _insert_events(self, c: SQLiteCursor, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int] | None:
        ids = super()._insert_events(c, stored_events, **kwargs)
        c.execute("UPDATE head SET commits = commits + 1")
        return ids


def _tables(kinds: Iterable[str], item_kinds: Iterable[str]) -> Iterator[str]:
    yield "CREATE TABLE IF NOT EXISTS head(one INTEGER PRIMARY KEY CHECK(one = 1), commits INTEGER NOT NULL)"
    yield "INSERT OR IGNORE INTO head VALUES(1, 0)"
    yield "CREATE TABLE IF NOT EXISTS watermarks(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID"
    yield "CREATE TABLE IF NOT EXISTS timers(key TEXT PRIMARY KEY, due INTEGER NOT NULL) WITHOUT ROWID"
    yield "CREATE INDEX IF NOT EXISTS timers_due ON timers(due, key)"
    for kind in checked_kinds(kinds):
        yield f"CREATE TABLE IF NOT EXISTS rows_{kind}(key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID"
    for kind in checked_kinds(item_kinds):
        yield (
            f"CREATE TABLE IF NOT EXISTS items_{kind}(owner TEXT, item TEXT, value BLOB NOT NULL, PRIMARY KEY(owner, item)) WITHOUT ROWID"
        )


def open_recorder(path: str, kinds: Iterable[str], item_kinds: Iterable[str]) -> SQLiteRecorder:
    """Makes what tables are missing, one process at a time; where all are there it writes nothing, so that it need not
    wait for whoever is writing."""
    recorder = SQLiteRecorder(SQLiteDatastore(path, pool_size=1), kinds, item_kinds)
    if not _all_made(recorder):
        with open(path + ".opening", "wb") as opening:
            fcntl.flock(opening, fcntl.LOCK_EX)
            _make(recorder, time.monotonic() + MAKE_SECONDS)
    return recorder


def _all_made(recorder: SQLiteRecorder) -> bool:
    with recorder.datastore.transaction(commit=False) as cursor:
        cursor.execute("SELECT 1 FROM sqlite_master WHERE name = 'made'")
        if cursor.fetchone() is None:
            return False
        cursor.execute("SELECT statement FROM made")
        return {row["statement"] for row in cursor.fetchall()} >= set(recorder.create_table_statements)


def _make(recorder: SQLiteRecorder, deadline: float) -> None:
    """The library reads before it writes, which SQLite refuses at once if somebody else wrote in between: try again."""
    while True:
        try:
            recorder.create_table()
            with recorder.datastore.transaction(commit=True) as cursor:
                cursor.execute("CREATE TABLE IF NOT EXISTS made(statement TEXT PRIMARY KEY) WITHOUT ROWID")
                rows = [(statement,) for statement in recorder.create_table_statements]
                cursor.executemany("INSERT OR IGNORE INTO made VALUES(?)", rows)
            return
        except OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def connect(path: str, cache_mb: int, lock_seconds: float, synchronous: str) -> sqlite3.Connection:
    if synchronous not in ("FULL", "NORMAL"):
        raise ValueError(f"synchronous is FULL or NORMAL, not {synchronous!r}")
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=300, timeout=lock_seconds)
    for pragma in ("page_size = 8192", f"synchronous = {synchronous}", f"cache_size = -{cache_mb * 1024}"):
        db.execute(f"PRAGMA {pragma}")
    _use_write_ahead_log(db, time.monotonic() + lock_seconds)
    db.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
    return db


def is_damage(error: BaseException) -> bool:
    """Whether SQLite says that the file itself is wrong."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _use_write_ahead_log(db: sqlite3.Connection, deadline: float) -> None:
    """Changing the journal's mode does not wait for others that do the same: try again until the deadline."""
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def among(db: sqlite3.Connection, sql: str, keys: Collection[str]) -> Iterator[tuple[Any, ...]]:
    """Rows of SELECT … IN (%s). Sorted, so that neighbours are found on one page."""
    for part in _padded(sorted(keys), None):
        yield from db.execute(sql % ",".join("?" * len(part)), part).fetchall()


def events_since(db: sqlite3.Connection, versions: Mapping[UUID, int]) -> Iterator[RecordedEvent]:
    """As EventStore has it. CROSS JOIN keeps SQLite from reading all events for a few originators."""
    for part in _padded([(originator.hex, version) for originator, version in versions.items()], (None, 0)):
        sql = (
            f"WITH wanted(originator, version) AS (VALUES {','.join(['(?, ?)'] * len(part))}) "
            "SELECT event.rowid, originator_id, originator_version, topic, state FROM wanted CROSS JOIN stored_events AS event "
            "ON originator_id = wanted.originator AND originator_version > wanted.version ORDER BY originator_id, originator_version"
        )
        for id, originator, version, type, state in db.execute(sql, list(chain.from_iterable(part))).fetchall():
            yield RecordedEvent(id, UUID(hex=originator), version, type, state)


def known_items(db: sqlite3.Connection, table: str, items: Collection[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """As EventStore has it. CROSS JOIN keeps SQLite from reading all items for a few."""
    for part in _padded(sorted(items), (None, None)):
        sql = (
            f"WITH wanted(owner, item) AS (VALUES {','.join(['(?, ?)'] * len(part))}) "
            f"SELECT owner, item FROM wanted CROSS JOIN {table} USING (owner, item)"
        )
        yield from db.execute(sql, list(chain.from_iterable(part))).fetchall()


def _padded(every: list[Any], filling: Any) -> Iterator[list[Any]]:
    """In parts of few sizes, so that few prepared statements serve."""
    for start in range(0, len(every), KEYS_A_QUERY[-1]):
        part = every[start : start + KEYS_A_QUERY[-1]]
        size = next(size for size in KEYS_A_QUERY if size >= len(part))
        yield part + [filling] * (size - len(part))
