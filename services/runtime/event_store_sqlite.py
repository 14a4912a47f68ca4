"""The event store in one SQLite file, shared by the processes of one machine.

Events and positions are in the `eventsourcing` library's own tables, which its recorder reads (`store.recorder`). What
makes it fast was measured: many rows a statement with OR FAIL (no statement journal), pages of 8 KB, COMMIT apart from
the rest so that it can run in a thread.
"""

import fcntl
import os
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import IO, Any
from uuid import UUID

from services.runtime.event_store import (
    TRACES,
    BeingExchanged,
    Items,
    RecordedEvent,
    Rows,
    Stale,
    StoreLost,
    Transaction,
    checked_kinds,
    last_of_each,
)
from services.runtime.sqlite_file import MIGRATION_RECORD, among, connect, events_since, known_items, open_recorder

ROWS_A_STATEMENT = (256, 32, 4, 1)
ROWS_A_PAGE = 500


class SQLiteEventStore:
    """See EventStore. `cache_mb` is this connection's page cache; `lock_seconds` how long to wait for another writer,
    after which sqlite3.OperationalError is raised and nothing is written."""

    def __init__(
        self,
        path: Path | str,
        *,
        kinds: Iterable[str] = (),
        item_kinds: Iterable[str] = (),
        cache_mb: int = 256,
        lock_seconds: float = 2.0,
        synchronous: str = "FULL",
    ) -> None:
        self._path = str(path)
        self._row_kinds, self._item_kinds = frozenset(checked_kinds((*kinds, TRACES))), frozenset(checked_kinds(item_kinds))
        self._lock_file: IO[bytes] | None = None
        self._db = connect(self._path, cache_mb, lock_seconds, synchronous)
        self.recorder = open_recorder(self._path, self._row_kinds, self._item_kinds)
        self._file = os.stat(self._path).st_ino
        self._head = -1
        self.refresh()

    # ---- reading ----

    def positions(self) -> dict[str, int]:
        stored = dict(self._db.execute("SELECT application_name, notification_id FROM tracking"))
        stored.pop(MIGRATION_RECORD, None)
        return stored

    def rows(self, kind: str, keys: Collection[str]) -> dict[str, bytes]:
        return dict(among(self._db, f"SELECT key, value FROM {self._row_table(kind)} WHERE key IN (%s)", keys))

    def items(self, kind: str, groups: Collection[str]) -> dict[str, list[tuple[str, bytes]]]:
        found: dict[str, list[tuple[str, bytes]]] = {}
        sql = f"SELECT owner, item, value FROM {self._item_table(kind)} WHERE owner IN (%s) ORDER BY owner, item"
        for owner, item, value in among(self._db, sql, set(groups)):
            found.setdefault(owner, []).append((item, value))
        return found

    def known_items(self, kind: str, items: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
        return set(known_items(self._db, self._item_table(kind), items))

    def all_rows(self, kind: str) -> Iterator[tuple[str, bytes]]:
        select = f"SELECT key, value FROM {self._row_table(kind)}"
        page = self._db.execute(f"{select} ORDER BY key LIMIT {ROWS_A_PAGE}").fetchall()
        while page:
            yield from page
            after = page[-1][0]
            page = self._db.execute(f"{select} WHERE key > ? ORDER BY key LIMIT {ROWS_A_PAGE}", (after,)).fetchall()

    def due(self, now_ms: int, limit: int) -> list[str]:
        sql = "SELECT key FROM timers WHERE due <= ? ORDER BY due, key LIMIT ?"
        return [key for (key,) in self._db.execute(sql, (now_ms, limit))]

    def events_after(self, id: int, limit: int) -> list[RecordedEvent]:
        return self._events("WHERE rowid > ? ORDER BY rowid LIMIT ?", (id, max(0, limit)))

    def events_of(self, originator: UUID) -> list[RecordedEvent]:
        return self._events("WHERE originator_id = ? ORDER BY originator_version", (originator.hex,))

    def _events(self, where: str, parameters: tuple[Any, ...]) -> list[RecordedEvent]:
        sql = f"SELECT rowid, originator_id, originator_version, topic, state FROM stored_events {where}"
        return [RecordedEvent(n, UUID(hex=o), v, t, s) for n, o, v, t, s in self._db.execute(sql, parameters)]

    def events_since(self, versions: Mapping[UUID, int]) -> list[RecordedEvent]:
        return list(events_since(self._db, versions))

    def originators_after(self, id: int) -> dict[UUID, int]:
        sql = "SELECT originator_id, MAX(rowid) FROM stored_events WHERE rowid > ? GROUP BY originator_id"
        return {UUID(hex=originator): newest for originator, newest in self._db.execute(sql, (id,))}

    def watermark(self, name: str) -> int:
        found = self._db.execute("SELECT value FROM watermarks WHERE name = ?", (name,)).fetchone()
        return found[0] if found else 0

    def refresh(self) -> bool:
        self._require_file()
        before = self._head
        sql = "SELECT commits, (SELECT MAX(rowid) FROM stored_events) FROM head"
        self._head, last_id = self._db.execute(sql).fetchone()
        self.last_id: int = last_id or 0
        return self._head != before

    def _require_file(self) -> None:
        """What is written to a file without a name is lost when the process ends."""
        try:
            there = os.stat(self._path).st_ino
        except FileNotFoundError:
            there = None
        if there != self._file:
            raise StoreLost(f"{self._path} was deleted or replaced while it was in use")

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

    def write(self, transaction: Transaction) -> int:
        if transaction.is_empty():
            return self.last_id + 1
        self._db.execute("BEGIN IMMEDIATE")
        self._next = self._head, self.last_id
        return self._put(transaction)

    def add(self, transaction: Transaction) -> int:
        """Like ``write``, but what was written and is not finished yet is committed together with it, or neither is."""
        return self._put(transaction) if self._db.in_transaction else self.write(transaction)

    def _put(self, transaction: Transaction) -> int:
        first = self._next[1] + 1
        try:
            self._claim_head(transaction.changes_state())
            self._move_positions(transaction.positions)
            self._insert_events(transaction)
            self._write_rows(transaction.rows)
            self._write_items(transaction.items)
            self._write_timers(transaction.timers)
            self._upsert("watermarks", "name", "value", list(transaction.watermarks.items()))
        except BaseException as error:
            if self._db.in_transaction:  # after some errors SQLite has rolled back by itself
                self._db.execute("ROLLBACK")
            if isinstance(error, Stale):
                self.refresh()
            raise
        self._next = self._next[0] + transaction.changes_state(), self._next[1] + len(transaction.events)
        return first

    def take_turn(self) -> bool:
        return True

    def leave_turn(self) -> None:
        """There is none."""

    def finish(self) -> None:
        if not self._db.in_transaction:
            return
        try:
            self._db.execute("COMMIT")  # one call without the GIL
        except BaseException:
            self._head = -1  # the next write is Stale: whoever decided it counted on this one
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        self._head, self.last_id = self._next

    def _claim_head(self, moves: bool) -> None:
        sql = "UPDATE head SET commits = commits + ? WHERE commits = ?" if moves else "SELECT 1 FROM head WHERE commits = ?"
        head = self._next[0]
        try:
            cursor = self._db.execute(sql, (1, head) if moves else (head,))
        except sqlite3.IntegrityError as closed:
            raise BeingExchanged(str(closed)) from closed
        if (cursor.rowcount != 1) if moves else cursor.fetchone() is None:
            raise Stale("another writer committed")

    def _move_positions(self, positions: dict[str, tuple[int, int]]) -> None:
        for name, (start, position) in positions.items():
            sql = "UPDATE tracking SET notification_id = ? WHERE application_name = ? AND notification_id = ?"
            moved = self._db.execute(sql, (position, name, start)).rowcount
            if not moved and start == 0:
                moved = self._db.execute("INSERT OR IGNORE INTO tracking VALUES(?, ?)", (name, position)).rowcount
            if not moved:
                raise Stale(f"{name} is not at {start}")

    def _insert_events(self, transaction: Transaction) -> None:
        rows = [
            (id, event.originator.hex, event.version, event.type, event.state)
            for id, event in enumerate(transaction.events, self._next[1] + 1)
        ]
        try:
            self._insert("stored_events(rowid, originator_id, originator_version, topic, state)", rows)
        except sqlite3.IntegrityError as taken:
            raise Stale("an event's id or version is taken") from taken

    def _write_rows(self, rows: Rows) -> None:
        for kind, values in rows.items():
            table = self._row_table(kind)
            self._upsert(table, "key", "value", [row for row in values.items() if row[1] is not None])
            self._delete(f"{table} WHERE key = ?", [(key,) for key, value in values.items() if value is None])

    def _write_items(self, items: Items) -> None:
        for kind, changes in items.items():
            table, last = self._item_table(kind), last_of_each(changes)
            kept = [(owner, item, value) for (owner, item), value in last.items() if value is not None]
            self._upsert(table, "owner, item", "value", kept)
            self._delete(f"{table} WHERE owner = ? AND item = ?", [key for key, value in last.items() if value is None])

    def _write_timers(self, timers: dict[str, int | None]) -> None:
        self._upsert("timers", "key", "due", [timer for timer in timers.items() if timer[1] is not None])
        self._delete("timers WHERE key = ?", [(key,) for key, due in timers.items() if due is None])

    def _upsert(self, table: str, key: str, value: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Sorted, since neighbours come to lie on one page: half the time of inserting them as they come."""
        then = f" ON CONFLICT({key}) DO UPDATE SET {value} = excluded.{value}"
        self._insert(f"{table}({key}, {value})", sorted(rows), then)

    def _insert(self, table: str, rows: Sequence[tuple[Any, ...]], then: str = "") -> None:
        """Many rows a statement. Without OR FAIL it would be slower than row by row: the transaction is whole anyway."""
        done, one = 0, f"({','.join('?' * len(rows[0]))})" if rows else ""
        for size in ROWS_A_STATEMENT:
            sql = f"INSERT OR FAIL INTO {table} VALUES {','.join([one] * size)}{then}"
            while len(rows) - done >= size:
                self._db.execute(sql, list(chain.from_iterable(rows[done : done + size])))
                done += size

    def _delete(self, where: str, keys: Sequence[tuple[str, ...]]) -> None:
        if keys:
            self._db.executemany(f"DELETE FROM {where}", keys)

    def set_watermark(self, name: str, value: int) -> None:
        self._upsert("watermarks", "name", "value", [(name, value)])

    # ---- the process ----

    def publisher_lock(self) -> bool:
        if self._lock_file is None:
            candidate = open(self._path + ".publisher", "wb")  # noqa: SIM115  (held until close)
            try:
                fcntl.flock(candidate, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                candidate.close()
                return False
            self._lock_file = candidate
        return True

    def close(self) -> None:
        self.recorder.datastore.close()
        self._db.close()
        if self._lock_file:
            self._lock_file.close()
            self._lock_file = None
