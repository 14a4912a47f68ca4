"""The PostgreSQL schema below the event store: its connection, its tables, and the library's recorder over them."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import psycopg
from eventsourcing.persistence import StoredEvent
from eventsourcing.postgres import PostgresDatastore, PostgresProcessRecorder
from psycopg import Connection, Cursor
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import DictRow
from psycopg.sql import SQL, Identifier

from services.runtime.event_store import checked_kinds

MIGRATION_RECORD = "__migration__"  # the library's own row in its tracking table
EVENTS_SINCE = """
    SELECT notification_id, originator_id, originator_version, topic, state
    FROM unnest(%s::uuid[], %s::bigint[]) AS wanted(originator, version)
    JOIN stored_events ON originator_id = wanted.originator AND originator_version > wanted.version
    ORDER BY originator_id, originator_version
    """
SESSION = (
    "SET statement_timeout = '30s'",
    "SET idle_in_transaction_session_timeout = '10s'",  # a writer that was stopped must not hold up the others
)


class PostgresRecorder(PostgresProcessRecorder):
    """The library's recorder over our schema. What the library writes through it makes our writers stale too."""

    def _insert_events(self, curs: Cursor[DictRow], stored_events: Sequence[StoredEvent], **kwargs: Any) -> None:
        curs.execute(SQL("UPDATE {}.head SET commits = commits + 1").format(Identifier(self.datastore.schema)))
        super()._insert_events(curs, stored_events, **kwargs)

    def _lock_table(self, curs: Cursor[DictRow]) -> None:
        """Our writers choose ids themselves, so the library's sequence must be told where they are."""
        super()._lock_table(curs)
        table = f'"{self.datastore.schema}".{self.events_table_name}'
        select = "SELECT setval(pg_get_serial_sequence(%s, 'notification_id'), COALESCE(MAX(notification_id), 0) + 1, false)"
        curs.execute(SQL(select + " FROM {}.{}").format(*map(Identifier, self._table())), (table,))

    def _table(self) -> tuple[str, str]:
        return self.datastore.schema, self.events_table_name


def connect(conninfo: str, schema: str, kinds: Iterable[str], item_kinds: Iterable[str], lock_seconds: float) -> Connection[Any]:
    """In autocommit mode, waiting for locks for `lock_seconds`, the schema first in its search path, with the temporary
    tables through which rows pass."""
    staged = {f"staged_rows_{kind}": "key bytea, value bytea" for kind in kinds}
    staged |= {f"staged_items_{kind}": "owner bytea, item bytea, value bytea" for kind in item_kinds}
    staged["staged_timers"] = "key bytea, due bigint"
    db = psycopg.connect(conninfo, autocommit=True, prepare_threshold=1, connect_timeout=5, tcp_user_timeout=20_000)
    db.execute(SQL("SET search_path TO {}").format(Identifier(schema)))
    db.execute("SELECT set_config('lock_timeout', %s, false)", (f"{int(lock_seconds * 1000)}ms",))
    for setting in SESSION:
        db.execute(setting)
    for name, columns in staged.items():
        db.execute(f"CREATE TEMP TABLE {name} ({columns}) ON COMMIT DELETE ROWS".encode())
    return db


def create_tables(conninfo: str, schema: str, kinds: Iterable[str], item_kinds: Iterable[str]) -> None:
    """Makes the schema and what tables are missing, one process at a time. Where all are there it takes no lock on
    them: `IF NOT EXISTS` would wait for a writer that hangs."""
    statements = list(_tables(kinds, item_kinds))
    with psycopg.connect(conninfo, autocommit=True) as db:
        if _made(db, schema) >= set(statements):
            return
        db.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", (f"tables of {schema}",))
        db.execute(SQL("CREATE SCHEMA IF NOT EXISTS {}").format(Identifier(schema)))
        recorder = new_recorder(conninfo, schema)
        recorder.create_table()
        recorder.datastore.close()
        db.execute(SQL("SET search_path TO {}").format(Identifier(schema)))
        db.execute("CREATE TABLE IF NOT EXISTS made(statement text PRIMARY KEY)")
        for statement in statements:
            db.execute(statement.encode())
            db.execute("INSERT INTO made VALUES (%s) ON CONFLICT DO NOTHING", (statement,))


def _made(db: Connection[Any], schema: str) -> set[str]:
    """The statements that were run here before."""
    found = db.execute("SELECT to_regclass(format('%%I.made', %s::text))", (schema,)).fetchone()
    if not found or found[0] is None:
        return set()
    return {statement for (statement,) in db.execute(SQL("SELECT statement FROM {}.made").format(Identifier(schema)))}


def end_stuck_writer(db: Connection[Any], seconds: float) -> None:
    """Ends the session that has held the head for so long: a process stopped in the middle of a COPY would hold it up
    for ever, and no timeout of the server's applies to it. What it wrote is rolled back."""
    db.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_stat_activity USING (pid) "
        "WHERE relation = 'head'::regclass AND mode = 'RowExclusiveLock' AND granted "
        "AND pid <> pg_backend_pid() AND xact_start < clock_timestamp() - make_interval(secs => %s)",
        (seconds,),
    )


def new_recorder(conninfo: str, schema: str) -> PostgresRecorder:
    """It keeps a pool of connections of its own."""
    return PostgresRecorder(_datastore(conninfo, schema))


def _datastore(conninfo: str, schema: str) -> PostgresDatastore:
    """The library takes five of libpq's parameters; the others, TLS among them, reach its pool here."""
    given = {name: str(value) for name, value in conninfo_to_dict(conninfo).items() if value is not None}
    named = {name: given.pop(name, "") for name in ("dbname", "host", "port", "user", "password")}
    datastore = PostgresDatastore(**named, schema=schema)  # type: ignore[arg-type]
    for name in [name for name, value in named.items() if not value]:
        datastore.pool.kwargs.pop(name)  # type: ignore[union-attr]
    datastore.pool.kwargs.update(given)  # type: ignore[union-attr]
    return datastore


def _tables(kinds: Iterable[str], item_kinds: Iterable[str]) -> Iterator[str]:
    """Keys are bytea, their text in UTF-8: PostgreSQL's text cannot hold U+0000, and would be ordered by a locale."""
    statements = [
        "CREATE TABLE IF NOT EXISTS head(one int PRIMARY KEY CHECK (one = 1), commits bigint NOT NULL)",
        "INSERT INTO head VALUES (1, 0) ON CONFLICT DO NOTHING",
        "CREATE TABLE IF NOT EXISTS watermarks(name text PRIMARY KEY, value bigint NOT NULL)",
        "CREATE TABLE IF NOT EXISTS timers(key bytea PRIMARY KEY, due bigint NOT NULL)",
        "CREATE INDEX IF NOT EXISTS timers_due ON timers(due, key)",
        "ALTER TABLE stored_events ALTER COLUMN state SET STORAGE EXTERNAL",
    ]
    for kind in checked_kinds(kinds):
        statements.append(f"CREATE TABLE IF NOT EXISTS rows_{kind}(key bytea PRIMARY KEY, value bytea NOT NULL) WITH (fillfactor = 80)")
    for kind in checked_kinds(item_kinds):
        statements.append(
            f"CREATE TABLE IF NOT EXISTS items_{kind}(owner bytea, item bytea, value bytea NOT NULL, "
            "PRIMARY KEY(owner, item)) WITH (fillfactor = 80)"
        )
    return iter(statements)
