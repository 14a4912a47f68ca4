"""Another content for a stage's store: made beside it, then put in its place in one step while the stage's processes go on.

First the live store is *closed*: whoever writes gets BeingExchanged, and comes again. Then its content is exchanged as a whole; to the
writers it looks as if somebody else had committed, so they drop their caches and decide again. What was replaced is kept until it is
dropped. Whatever crashes in between, the live store is the old one (perhaps closed) or the new one.
"""

import fcntl
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

import psycopg
from psycopg.sql import SQL, Identifier

from services.runtime.event_store import EventStore, StoreLost
from services.runtime.event_store_postgres import PostgresEventStore
from services.runtime.event_store_sqlite import SQLiteEventStore
from services.runtime.settings import Settings
from services.runtime.store_check import check_file
from services.runtime.store_snapshot import StoreSnapshot, snapshot_of, snapshot_of_schema

CLOSED = "rapport_rebuild_is_exchanging_this_store"
WAIT_SECONDS = 30.0


class StillInUse(Exception):
    """Raised by ``exchange``: a process still works on a store that was deleted or damaged; it must end first."""


class StoreExchange(Protocol):
    """One stage's store and the two beside it: the new content, and what was replaced."""

    where: str
    kept_where: str

    def is_sound(self) -> bool:
        """Whether there is a live store that can be read, closed and written. Takes seconds a gigabyte until it was found to be."""

    def is_closed(self) -> bool: ...

    def close(self) -> None:
        """From now on nobody commits to the live store. Waits for whoever is committing. Only of a sound one."""

    def reopen(self) -> None:
        """As if it had never been closed."""

    def snapshot(self) -> StoreSnapshot:
        """Of the live store; only of a sound one."""

    def snapshot_beside(self) -> StoreSnapshot: ...

    def has_beside(self) -> bool: ...

    def beside(self) -> EventStore:
        """The store that will take the place of the live one; made where it is missing."""

    def drop_beside(self) -> None: ...

    def exchange(self) -> None:
        """The one step, of a closed store or of one that is not sound; a sound one that is open was exchanged before. Whoever has the store
        beside open must have closed it. Raises StillInUse."""

    def is_kept(self) -> bool:
        """Whether what was replaced is still there."""

    def drop_kept(self) -> None: ...


def exchange_of(settings: Settings, stage: str, kinds: Sequence[str], item_kinds: Sequence[str]) -> StoreExchange:
    """By what the installation keeps its stores in."""
    if settings.store.url:
        return PostgresExchange(settings.store.url.get_secret_value(), stage, kinds, item_kinds)
    return SQLiteExchange(settings.data_dir / f"{stage}.sqlite", kinds, item_kinds)


class SQLiteExchange:
    """Its own backup copies page by page into the live file, in one transaction of that file; where there is no sound file, the new
    one is renamed to its place."""

    def __init__(self, live: Path, kinds: Sequence[str], item_kinds: Sequence[str]) -> None:
        self._live, self._kinds, self._item_kinds = live, kinds, item_kinds
        self._new, self._old = live.with_suffix(".rebuilt.sqlite"), live.with_suffix(".replaced.sqlite")
        self.where, self.kept_where = str(live), str(self._old)
        self._was_whole = False

    def is_sound(self) -> bool:
        try:
            check_file(self._live, whole=not self._was_whole)
        except StoreLost:
            return False
        self._was_whole = True
        return bool(self._asked("SELECT commits FROM head"))

    def is_closed(self) -> bool:
        return bool(self._asked("SELECT 1 FROM sqlite_master WHERE type = 'trigger' AND name = ?", (CLOSED,)))

    def _asked(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """Nothing where there is no store."""
        try:
            with self._opened(self._live) as db:
                return db.execute(sql, parameters).fetchall()
        except (FileNotFoundError, sqlite3.DatabaseError) as error:
            if isinstance(error, sqlite3.OperationalError) and "no such table" not in str(error):
                raise
            return []

    def close(self) -> None:
        with self._opened(self._live) as db:
            db.execute(f"CREATE TRIGGER IF NOT EXISTS {CLOSED} BEFORE UPDATE ON head BEGIN SELECT RAISE(ABORT, '{CLOSED}'); END")

    def reopen(self) -> None:
        with self._opened(self._live) as db:
            db.execute(f"DROP TRIGGER IF EXISTS {CLOSED}")

    def snapshot(self) -> StoreSnapshot:
        return snapshot_of(self._live)

    def snapshot_beside(self) -> StoreSnapshot:
        return snapshot_of(self._new)

    def has_beside(self) -> bool:
        return self._new.exists()

    def beside(self) -> EventStore:
        return SQLiteEventStore(self._new, kinds=self._kinds, item_kinds=self._item_kinds, synchronous="NORMAL")

    def drop_beside(self) -> None:
        _delete(self._new)

    def exchange(self) -> None:
        if self.is_closed():
            self._copy_over()
        elif not self.is_sound():
            self._move_in()
        self.drop_beside()

    def _copy_over(self) -> None:
        half = self._old.with_suffix(".half")
        with self._opened(self._live) as live, self._opened(self._new) as new:
            if not self._old.exists():
                _delete(half)
                with closing(sqlite3.connect(half)) as kept:
                    live.backup(kept)
                os.replace(half, self._old)
            ((commits,),) = live.execute("SELECT commits FROM head")
            new.execute("UPDATE head SET commits = MAX(commits, ?)", (commits + 1,))
            new.backup(live)
            live.execute("PRAGMA wal_checkpoint(PASSIVE)")  # or the next writer would have to do it

    def _move_in(self) -> None:
        with self._opened(self._new) as new:
            new.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with self._alone():
            for end in ("", "-wal", "-shm"):
                with suppress(FileNotFoundError):
                    os.replace(f"{self._live}{end}", f"{self._old}{end}")
            os.replace(self._new, self._live)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """While no process publishes for this store."""
        with open(f"{self._live}.publisher", "wb") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as held:
                raise StillInUse(f"a process still works on {self._live}, which is damaged or was deleted: end that process") from held
            yield

    def is_kept(self) -> bool:
        return any(Path(f"{self._old}{end}").exists() for end in ("", "-wal", "-shm"))

    def drop_kept(self) -> None:
        _delete(self._old)

    @contextmanager
    def _opened(self, path: Path) -> Iterator[sqlite3.Connection]:
        """An existing file; FileNotFoundError where there is none."""
        if not path.exists():
            raise FileNotFoundError(path)
        with closing(sqlite3.connect(path, isolation_level=None, timeout=WAIT_SECONDS)) as db:
            db.execute("PRAGMA synchronous = FULL")
            yield db


def _delete(path: Path) -> None:
    for end in ("", "-wal", "-shm", ".publisher", ".opening"):
        Path(f"{path}{end}").unlink(missing_ok=True)


class PostgresExchange:
    """Two schemas swap names in one transaction: a name is looked up anew at each statement."""

    def __init__(self, conninfo: str, live: str, kinds: Sequence[str], item_kinds: Sequence[str]) -> None:
        self._conninfo, self._live, self._kinds, self._item_kinds = conninfo, live, kinds, item_kinds
        self._new, self._old = f"{live}_rebuilt", f"{live}_replaced"
        self.where, self.kept_where = f"PostgreSQL's schema {live}", f"PostgreSQL's schema {self._old}"

    def is_sound(self) -> bool:
        try:
            return bool(self._run("SELECT commits FROM {live}.head, (SELECT count(*) FROM {live}.stored_events LIMIT 1) AS events"))
        except psycopg.errors.UndefinedTable:
            return False

    def is_closed(self) -> bool:
        sql = "SELECT 1 FROM pg_constraint WHERE conname = %s AND connamespace = to_regnamespace(%s)"
        return bool(self._run(sql, (CLOSED, self._live)))

    def close(self) -> None:
        if not self.is_closed():
            ((commits,),) = self._run("SELECT commits FROM {live}.head")
            self._run(f"ALTER TABLE {{live}}.head ADD CONSTRAINT {CLOSED} CHECK (commits <= {int(commits)}) NOT VALID")

    def reopen(self) -> None:
        self._run(f"ALTER TABLE IF EXISTS {{live}}.head DROP CONSTRAINT IF EXISTS {CLOSED}")

    def snapshot(self) -> StoreSnapshot:
        return snapshot_of_schema(self._conninfo, self._live)

    def snapshot_beside(self) -> StoreSnapshot:
        return snapshot_of_schema(self._conninfo, self._new)

    def has_beside(self) -> bool:
        return self._is_there(self._new)

    def beside(self) -> EventStore:
        return PostgresEventStore(self._conninfo, schema=self._new, kinds=self._kinds, item_kinds=self._item_kinds)

    def drop_beside(self) -> None:
        self._run("DROP SCHEMA IF EXISTS {new} CASCADE")

    def exchange(self) -> None:
        with psycopg.connect(self._conninfo) as db:
            if self._is_there(self._live):
                if self.is_sound():
                    db.execute(self._sql("UPDATE {new}.head SET commits = greatest(commits, (SELECT commits + 1 FROM {live}.head))"))
                db.execute(self._sql("ALTER SCHEMA {live} RENAME TO {old}"))
            db.execute(self._sql("ALTER SCHEMA {new} RENAME TO {live}"))

    def is_kept(self) -> bool:
        return self._is_there(self._old)

    def drop_kept(self) -> None:
        self._run("DROP SCHEMA IF EXISTS {old} CASCADE")

    def _is_there(self, schema: str) -> bool:
        return bool(self._run("SELECT 1 FROM pg_namespace WHERE nspname = %s", (schema,)))

    def _run(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with psycopg.connect(self._conninfo, autocommit=True) as db:
            db.execute("SELECT set_config('lock_timeout', %s, false)", (f"{WAIT_SECONDS:g}s",))
            found = db.execute(self._sql(sql), parameters)
            return found.fetchall() if found.description else []

    def _sql(self, sql: str) -> Any:
        names = {"live": self._live, "new": self._new, "old": self._old}
        return SQL(sql).format(**{name: Identifier(schema) for name, schema in names.items()})
