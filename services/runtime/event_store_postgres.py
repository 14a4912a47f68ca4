"""The event store in one PostgreSQL schema, shared by the processes of many machines.

Events and positions are in the `eventsourcing` library's own tables, which its recorder reads (`store.recorder`).
Written by binary COPY, which cost a fifth less than arrays; updates go through temporary tables.
"""

import contextlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from struct import Struct
from typing import Any
from uuid import UUID

import psycopg
from psycopg import Connection

from services.runtime.event_store import TRACES, BeingExchanged, Items, RecordedEvent, Rows, Stale, Transaction, checked_kinds, last_of_each
from services.runtime.postgres_schema import (
    EVENTS_SINCE,
    MIGRATION_RECORD,
    PostgresRecorder,
    connect,
    create_tables,
    end_stuck_writer,
    new_recorder,
)

ROWS_A_PAGE = 1_000
SET_WATERMARK = "INSERT INTO watermarks VALUES (%s, %s) ON CONFLICT(name) DO UPDATE SET value = excluded.value"
# Binary COPY: https://www.postgresql.org/docs/current/sql-copy.html#SQL-COPY-FILE-FORMATS-BINARY
COPY_HEAD, COPY_TAIL = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"
event_head, event_tail = Struct("!hi16siqi").pack, Struct("!iq").pack
length, fields, timer_tail = Struct("!i").pack, Struct("!hi").pack, Struct("!iq").pack


class PostgresEventStore:
    """See EventStore. `conninfo` is libpq's (a URL or name=value words).

    Waits `lock_seconds` for another writer, then raises psycopg.errors.LockNotAvailable; one that takes `stuck_seconds`
    is taken for stopped, and ended. After a lost connection the next call makes a new one.
    """

    def __init__(
        self,
        conninfo: str,
        *,
        schema: str = "public",
        kinds: Iterable[str] = (),
        item_kinds: Iterable[str] = (),
        lock_seconds: float = 2.0,
        stuck_seconds: float = 10.0,
    ) -> None:
        self._row_kinds, self._item_kinds = checked_kinds((*kinds, TRACES)), checked_kinds(item_kinds)
        self._conninfo, self._schema = conninfo, schema
        self._lock_seconds, self._stuck_seconds = lock_seconds, stuck_seconds
        create_tables(conninfo, schema, self._row_kinds, self._item_kinds)
        self._publishes = False
        self._head = -1
        self._open: Connection[Any] | None = None  # with a transaction that is written and not finished
        self._turn: Connection[Any] | None = None  # with a transaction that keeps others out, and has written nothing
        self._db = self._connect()
        self.refresh()

    def _connect(self) -> Connection[Any]:
        self._publishes = False  # the lock went with the connection
        self._head = -1
        return connect(self._conninfo, self._schema, self._row_kinds, self._item_kinds, self._lock_seconds)

    def _connection(self) -> Connection[Any]:
        if self._db.closed:
            self._db = self._connect()
        return self._db

    @cached_property
    def recorder(self) -> PostgresRecorder:
        """For the library's own reading; it connects by itself."""
        return new_recorder(self._conninfo, self._schema)

    # ---- reading ----

    def _select(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        return self._connection().execute(sql, parameters, binary=True).fetchall()

    def positions(self) -> dict[str, int]:
        stored = dict(self._select("SELECT application_name, notification_id FROM notification_tracking"))
        stored.pop(MIGRATION_RECORD, None)
        return stored

    def rows(self, kind: str, keys: Collection[str]) -> dict[str, bytes]:
        sql = f"SELECT key, value FROM {self._row_table(kind)} WHERE key = ANY(%b::bytea[])"
        return {key.decode(): value for key, value in self._select(sql, ([key.encode() for key in keys],))}

    def items(self, kind: str, groups: Collection[str]) -> dict[str, list[tuple[str, bytes]]]:
        found: dict[str, list[tuple[str, bytes]]] = {}
        sql = f"SELECT owner, item, value FROM {self._item_table(kind)} WHERE owner = ANY(%b::bytea[]) ORDER BY owner, item"
        for owner, item, value in self._select(sql, ([group.encode() for group in groups],)):
            found.setdefault(owner.decode(), []).append((item.decode(), value))
        return found

    def known_items(self, kind: str, items: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
        wanted = "unnest(%b::bytea[], %b::bytea[]) AS wanted(owner, item)"
        sql = f"SELECT owner, item FROM {self._item_table(kind)} JOIN {wanted} USING (owner, item)"
        arrays = [group.encode() for group, _ in items], [item.encode() for _, item in items]
        return {(owner.decode(), item.decode()) for owner, item in self._select(sql, arrays)}

    def all_rows(self, kind: str) -> Iterator[tuple[str, bytes]]:
        select = f"SELECT key, value FROM {self._row_table(kind)}"
        page = self._select(f"{select} ORDER BY key LIMIT {ROWS_A_PAGE}")
        while page:
            yield from ((key.decode(), value) for key, value in page)
            page = self._select(f"{select} WHERE key > %b ORDER BY key LIMIT {ROWS_A_PAGE}", (page[-1][0],))

    def due(self, now_ms: int, limit: int) -> list[str]:
        sql = "SELECT key FROM timers WHERE due <= %s ORDER BY due, key LIMIT %s"
        return [key.decode() for (key,) in self._select(sql, (now_ms, limit))]

    def events_after(self, id: int, limit: int) -> list[RecordedEvent]:
        return self._events("WHERE notification_id > %s ORDER BY notification_id LIMIT %s", (id, max(0, limit)))

    def events_of(self, originator: UUID) -> list[RecordedEvent]:
        return self._events("WHERE originator_id = %s ORDER BY originator_version", (originator,))

    def events_since(self, versions: Mapping[UUID, int]) -> list[RecordedEvent]:
        return [RecordedEvent(*row) for row in self._select(EVENTS_SINCE, (list(versions.keys()), list(versions.values())))]

    def _events(self, where: str, parameters: Sequence[Any]) -> list[RecordedEvent]:
        columns = "notification_id, originator_id, originator_version, topic, state"
        return [RecordedEvent(*row) for row in self._select(f"SELECT {columns} FROM stored_events {where}", parameters)]

    def originators_after(self, id: int) -> dict[UUID, int]:
        sql = "SELECT originator_id, max(notification_id) FROM stored_events WHERE notification_id > %s GROUP BY originator_id"
        return dict(self._select(sql, (id,)))

    def watermark(self, name: str) -> int:
        found = self._select("SELECT value FROM watermarks WHERE name = %s", (name,))
        value: int = found[0][0] if found else 0
        return value

    def refresh(self) -> bool:
        ((head, last_id),) = self._select("SELECT commits, (SELECT MAX(notification_id) FROM stored_events) FROM head")
        moved, self._head = bool(head != self._head), head
        self.last_id: int = last_id or 0
        return moved

    def _row_table(self, kind: str) -> str:
        if kind not in self._row_kinds:
            raise KeyError(kind)
        return "rows_" + kind

    def _item_table(self, kind: str) -> str:
        if kind not in self._item_kinds:
            raise KeyError(kind)
        return "items_" + kind

    # ---- writing ----

    def commit(self, transaction: Transaction) -> int:
        first = self.write(transaction)
        self.finish()
        return first

    def take_turn(self) -> bool:
        db = self._connection()
        db.execute("BEGIN")
        try:
            db.execute("SELECT FROM head FOR UPDATE")
        except BaseException as error:
            self._roll_back()
            if isinstance(error, psycopg.errors.LockNotAvailable):
                end_stuck_writer(self._connection(), self._stuck_seconds)
                return False
            raise
        self._turn = db
        return True

    def leave_turn(self) -> None:
        turn, self._turn = self._turn, None
        if turn is not None:
            self._roll_back()

    def write(self, transaction: Transaction) -> int:
        first = self.last_id + 1
        if transaction.is_empty():
            self.leave_turn()
            return first
        turn, self._turn = self._turn, None
        if turn is not self._connection():  # also where the turn went with its connection: then it is Stale
            self._db.execute("BEGIN")
        try:
            self._claim_head(transaction.changes_state())
            self._move_positions(transaction.positions)
            self._copy_events(transaction)
            self._write_rows(transaction.rows)
            self._write_items(transaction.items)
            self._write_timers(transaction.timers)
            for mark in transaction.watermarks.items():
                self._db.execute(SET_WATERMARK, mark)
        except BaseException as error:
            self._roll_back()
            if isinstance(error, Stale):
                self.refresh()
            if isinstance(error, psycopg.errors.LockNotAvailable):
                end_stuck_writer(self._connection(), self._stuck_seconds)
            raise
        self._open = self._db
        self._next = self._head + transaction.changes_state(), self.last_id + len(transaction.events)
        return first

    def finish(self) -> None:
        written, self._open = self._open, None
        if written is None:
            return
        try:
            status = written.execute("COMMIT").statusmessage
            if status != "COMMIT":
                raise psycopg.OperationalError(f"COMMIT was answered by {status}")
        except BaseException:
            self._roll_back()
            self._head = -1  # the next write is Stale: whoever decided it counted on this one
            raise
        self._head, self.last_id = self._next

    def _roll_back(self) -> None:
        try:
            self._db.execute("ROLLBACK")
        except psycopg.Error:
            self._db.close()  # the server rolls back what it no longer hears of

    def _claim_head(self, moves: bool) -> None:
        """The row's lock makes writers wait for each other here, and the later one finds it changed."""
        if moves:
            try:
                claimed = self._db.execute("UPDATE head SET commits = commits + 1 WHERE commits = %s", (self._head,))
            except psycopg.errors.CheckViolation as closed:
                raise BeingExchanged(str(closed)) from closed
        else:
            claimed = self._db.execute("SELECT 1 FROM head WHERE commits = %s", (self._head,))
        if claimed.rowcount != 1:
            raise Stale("another writer committed")

    def _move_positions(self, positions: dict[str, tuple[int, int]]) -> None:
        update = "UPDATE notification_tracking SET notification_id = %s WHERE application_name = %s AND notification_id = %s"
        insert = "INSERT INTO notification_tracking VALUES (%s, %s) ON CONFLICT DO NOTHING"
        for name, (start, position) in positions.items():
            moved = self._db.execute(update, (position, name, start)).rowcount
            if not moved and start == 0:
                moved = self._db.execute(insert, (name, position)).rowcount
            if not moved:
                raise Stale(f"{name} is not at {start}")

    def _copy_events(self, transaction: Transaction) -> None:
        packed = []
        for id, event in enumerate(transaction.events, self.last_id + 1):
            type, state = event.type.encode(), event.state
            head = event_head(5, 16, event.originator.bytes, 8, event.version, len(type))
            packed.append(b"".join((head, type, length(len(state)), state, event_tail(8, id))))
        try:
            self._copy("stored_events(originator_id, originator_version, topic, state, notification_id)", packed)
        except psycopg.errors.UniqueViolation as taken:
            raise Stale("an event's id or version is taken") from taken

    def _write_rows(self, rows: Rows) -> None:
        for kind, values in rows.items():
            table = self._row_table(kind)
            kept = [_packed(key.encode(), value) for key, value in values.items() if value is not None]
            self._upsert(table, "key", "value", kept)
            gone = [key.encode() for key, value in values.items() if value is None]
            if gone:
                self._db.execute(f"DELETE FROM {table} WHERE key = ANY(%b::bytea[])", (gone,))

    def _write_items(self, items: Items) -> None:
        for kind, changes in items.items():
            table, last = self._item_table(kind), last_of_each(changes)
            kept = [_packed(owner.encode(), item.encode(), value) for (owner, item), value in last.items() if value is not None]
            self._upsert(table, "owner, item", "value", kept)
            gone = [(owner.encode(), item.encode()) for (owner, item), value in last.items() if value is None]
            if gone:
                pairs = "SELECT * FROM unnest(%b::bytea[], %b::bytea[])"
                self._db.execute(f"DELETE FROM {table} WHERE (owner, item) IN ({pairs})", tuple(map(list, zip(*gone, strict=True))))

    def _write_timers(self, timers: dict[str, int | None]) -> None:
        kept = [
            b"".join((fields(2, len(text)), text, timer_tail(8, due)))
            for text, due in ((key.encode(), due) for key, due in timers.items())
            if due is not None
        ]
        self._upsert("timers", "key", "due", kept)
        gone = [key.encode() for key, due in timers.items() if due is None]
        if gone:
            self._db.execute("DELETE FROM timers WHERE key = ANY(%b::bytea[])", (gone,))

    def _upsert(self, table: str, key: str, value: str, packed: Sequence[bytes]) -> None:
        if packed:
            self._copy(f"staged_{table}", packed)
            then = f"ON CONFLICT({key}) DO UPDATE SET {value} = excluded.{value}"
            self._db.execute(f"INSERT INTO {table}({key}, {value}) SELECT {key}, {value} FROM staged_{table} {then}")

    def _copy(self, table: str, packed: Sequence[bytes]) -> None:
        if packed:
            with self._db.cursor() as cursor, cursor.copy(f"COPY {table} FROM STDIN (FORMAT BINARY)") as copy:
                copy.write(b"".join((COPY_HEAD, *packed, COPY_TAIL)))

    def set_watermark(self, name: str, value: int) -> None:
        self._connection().execute(SET_WATERMARK, (name, value))

    # ---- the process ----

    def publisher_lock(self) -> bool:
        if self._db.closed or not self._publishes:
            name = f"publisher of {self._schema}"
            ((self._publishes,),) = self._select("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", (name,))
        return self._publishes

    def close(self) -> None:
        self._turn = None
        with contextlib.suppress(psycopg.Error):  # or the lock would go a moment later than this returns
            self._db.execute("ROLLBACK")
            self._db.execute("SELECT pg_advisory_unlock_all()")
        self._db.close()
        if "recorder" in vars(self):
            self.recorder.datastore.close()


def _packed(*values: bytes) -> bytes:
    """One row of bytea columns."""
    parts = [fields(len(values), len(values[0])), values[0]]
    for value in values[1:]:
        parts += length(len(value)), value
    return b"".join(parts)
