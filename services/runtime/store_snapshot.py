"""An event store as it was at one moment, read whole while its writers go on: for proofs and for rebuilding, never for deciding."""

import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import lru_cache
from itertools import chain, count, groupby
from pathlib import Path
from typing import Any, Protocol, Self
from uuid import UUID

import psycopg
from psycopg.sql import SQL, Identifier

from services.runtime.event_store import LOST, RecordedEvent, checked_kinds
from services.runtime.postgres_schema import EVENTS_SINCE
from services.runtime.settings import Settings
from services.runtime.sqlite_file import MIGRATION_RECORD, among, events_since

ROWS_A_FETCH = 2_000
EVENT = "originator_id, originator_version, topic, state"


class StoreMissing(Exception):
    """Raised by ``open_snapshot``: the stage has never run here, so there is nothing to read."""


class _Reader(Protocol):
    """One read-only transaction in one of two dialects."""

    id_column: str
    tracking: str

    def query(self, sql: str, parameters: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]: ...
    def rows(self, sql: str) -> Iterator[tuple[str, bytes]]: ...
    def text(self, key: Any) -> str: ...
    def uuid(self, value: Any) -> UUID: ...
    def among(self, table: str, keys: Collection[str]) -> Iterator[tuple[str, bytes]]: ...
    def events_since(self, versions: Mapping[UUID, int]) -> Iterator[RecordedEvent]: ...
    def close(self) -> None: ...


class StoreSnapshot:
    """Everything of one moment, however long it is read. It holds a read transaction open: close it soon, since the store's
    files grow meanwhile. Not for two threads."""

    def __init__(self, reader: _Reader) -> None:
        self._reader = reader

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def positions(self) -> dict[str, int]:
        """The next offset to read of every "topic:partition" that was ever read from."""
        found = dict(self._reader.query(f"SELECT application_name, notification_id FROM {self._reader.tracking}"))
        found.pop(MIGRATION_RECORD, None)
        return found

    def last_id(self) -> int:
        """The highest notification id; 0 without an event."""
        found: list[tuple[Any, ...]] = list(self._reader.query(f"SELECT MAX({self._reader.id_column}) FROM stored_events"))
        return int(found[0][0] or 0)

    def watermark(self, name: str) -> int:
        """0 where never set."""
        marks = {self._reader.text(key): int(value) for key, value in self._reader.query("SELECT name, value FROM watermarks")}
        return marks.get(name, 0)

    def rows(self, kind: str) -> Iterator[tuple[str, bytes]]:
        """Every row, ordered by key."""
        (table,) = checked_kinds([kind])
        return self._reader.rows(f"SELECT key, value FROM rows_{table} ORDER BY key")

    def rows_of(self, kind: str, keys: Collection[str]) -> dict[str, bytes]:
        """The values of those keys that exist."""
        (table,) = checked_kinds([kind])
        return dict(self._reader.among(f"rows_{table}", keys))

    def items(self, kind: str) -> Iterator[tuple[str, str, bytes]]:
        """(group, item key, value), ordered by group."""
        (table,) = checked_kinds([kind])
        text = self._reader.text
        found = self._reader.query(f"SELECT owner, item, value FROM items_{table} ORDER BY owner, item")
        return ((text(owner), text(item), bytes(value)) for owner, item, value in found)

    def due(self, now_ms: int) -> set[str]:
        """Keys of the timers due by then."""
        bound = int(now_ms)
        return {self._reader.text(key) for (key,) in self._reader.query(f"SELECT key FROM timers WHERE due <= {bound}")}

    def timers(self) -> dict[str, int]:
        """Key → due time in epoch milliseconds."""
        return {self._reader.text(key): int(due) for key, due in self._reader.query("SELECT key, due FROM timers")}

    def originators_after(self, id: int) -> set[UUID]:
        """Those with an event after that notification id."""
        sql = f"SELECT DISTINCT originator_id FROM stored_events WHERE {self._reader.id_column} > {int(id)}"
        return {self._reader.uuid(originator) for (originator,) in self._reader.query(sql)}

    def events(self, after: int = 0) -> Iterator[RecordedEvent]:
        """All with a higher notification id, in their order."""
        column = self._reader.id_column
        return self._events(f"WHERE {column} > {int(after)} ORDER BY {column}")

    def events_as_stored(self, up_to: int) -> Iterator[tuple[Any, ...]]:
        """All up to that id, in their order, as this kind of store has them: what is cheapest to compare."""
        column = self._reader.id_column
        return self._reader.query(f"SELECT {column}, {EVENT} FROM stored_events WHERE {column} <= {int(up_to)} ORDER BY {column}")

    def events_by_originator(self) -> Iterator[tuple[UUID, list[RecordedEvent]]]:
        """Each originator once, with all its events in version order."""
        found = self._events("ORDER BY originator_id, originator_version")
        return ((originator, list(events)) for originator, events in groupby(found, key=lambda event: event.originator))

    def events_since(self, versions: Mapping[UUID, int]) -> Iterator[RecordedEvent]:
        """Each originator's events after that version of it: one originator's together, in version order."""
        return self._reader.events_since(versions)

    def _events(self, which: str) -> Iterator[RecordedEvent]:
        uuid = self._reader.uuid
        rows = self._reader.query(f"SELECT {self._reader.id_column}, {EVENT} FROM stored_events {which}")
        found = (RecordedEvent(id, uuid(originator), version, type, bytes(state)) for id, originator, version, type, state in rows)
        return (event for event in found if event.type != LOST)

    def close(self) -> None:
        self._reader.close()


@lru_cache(10_000)
def _uuid(value: str) -> UUID:
    return UUID(hex=value)


class _SQLite:
    id_column, tracking = "rowid", "tracking"
    text: Callable[[Any], str] = staticmethod(str)
    uuid: Callable[[Any], UUID] = staticmethod(_uuid)

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, check_same_thread=False)
        self._db.execute("BEGIN")
        self._db.execute("SELECT 1 FROM tracking").fetchone()  # only now does SQLite take its snapshot

    def query(self, sql: str, parameters: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
        cursor = self._db.execute(sql, parameters)
        return chain.from_iterable(iter(lambda: cursor.fetchmany(ROWS_A_FETCH), []))

    def rows(self, sql: str) -> Iterator[tuple[str, bytes]]:
        return self.query(sql)

    def among(self, table: str, keys: Collection[str]) -> Iterator[tuple[str, bytes]]:
        yield from among(self._db, f"SELECT key, value FROM {table} WHERE key IN (%s)", keys)

    def events_since(self, versions: Mapping[UUID, int]) -> Iterator[RecordedEvent]:
        return events_since(self._db, versions)

    def close(self) -> None:
        self._db.close()


class _Postgres:
    id_column, tracking = "notification_id", "notification_tracking"

    def __init__(self, conninfo: str, schema: str) -> None:
        self._db = psycopg.connect(conninfo, connect_timeout=5)
        self._db.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        self._db.read_only = True
        self._db.execute(SQL("SET LOCAL search_path TO {}").format(Identifier(schema)))
        self._db.execute("SELECT 1 FROM notification_tracking").fetchone()

    def query(self, sql: str, parameters: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
        with self._db.cursor(name=f"read_{next(_numbers)}") as cursor:
            cursor.itersize = ROWS_A_FETCH
            cursor.execute(sql.encode(), parameters)
            yield from cursor

    def rows(self, sql: str) -> Iterator[tuple[str, bytes]]:
        return ((self.text(key), bytes(value)) for key, value in self.query(sql))

    def text(self, key: Any) -> str:
        return key if isinstance(key, str) else bytes(key).decode()

    def uuid(self, value: Any) -> UUID:
        return value if isinstance(value, UUID) else UUID(str(value))

    def among(self, table: str, keys: Collection[str]) -> Iterator[tuple[str, bytes]]:
        found = self.query(f"SELECT key, value FROM {table} WHERE key = ANY(%s::bytea[])", ([key.encode() for key in keys],))
        return ((self.text(key), bytes(value)) for key, value in found)

    def events_since(self, versions: Mapping[UUID, int]) -> Iterator[RecordedEvent]:
        found = self.query(EVENTS_SINCE, (list(versions.keys()), list(versions.values())))
        return (RecordedEvent(id, self.uuid(originator), version, type, bytes(state)) for id, originator, version, type, state in found)

    def close(self) -> None:
        self._db.close()


_numbers = count(1)


def open_snapshot(settings: Settings, stage: str) -> StoreSnapshot:
    """The store of that stage as it is now. StoreMissing; what the database raises comes as it is."""
    if settings.store.url:
        return snapshot_of_schema(settings.store.url.get_secret_value(), stage)
    return snapshot_of(settings.data_dir / f"{stage}.sqlite")


def snapshot_of_schema(conninfo: str, schema: str) -> StoreSnapshot:
    """The store in that schema of PostgreSQL as it is now. StoreMissing."""
    try:
        return StoreSnapshot(_Postgres(conninfo, schema))
    except psycopg.errors.UndefinedTable as missing:
        raise StoreMissing(f"PostgreSQL has no schema {schema} with events: has the stage ever run?") from missing


def snapshot_of(path: Path) -> StoreSnapshot:
    """The store in that SQLite file as it is now. StoreMissing."""
    if not path.exists():
        raise StoreMissing(f"{path} does not exist: has the stage ever run with this data directory?")
    try:
        return StoreSnapshot(_SQLite(path))
    except sqlite3.OperationalError as error:
        raise StoreMissing(f"{path} is no event store: {error}") from error
