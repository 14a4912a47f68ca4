"""The ClickHouse engine inside this process: its directory, sessions on it, and stopping what runs in it.

All calls block, so a server makes them in threads.
"""

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import chdb

from services.embedded import rows_file, server_errors
from services.embedded.access import ANALYST, OWNER, AccessRules
from services.embedded.engine_config import config_xml, connection_string
from services.embedded.engine_session import Session
from services.embedded.server_errors import ServerError
from services.embedded.sql_tokens import quoted

USERS = frozenset({OWNER, ANALYST})


class Engine:
    """One data directory. Only one process at a time may have it open: hold its lock before creating this."""

    def __init__(self, directory: Path, config: Path, max_memory_bytes: int) -> None:
        config.write_text(config_xml(max_memory_bytes), encoding="utf-8")
        directory.mkdir(parents=True, exist_ok=True)
        self._incoming = directory / "incoming"
        rows_file.clear(self._incoming)
        self._address = connection_string(directory, config)
        # The last connection to close shuts the engine down, so this one stays open for as long as the server runs.
        self._control = chdb.connect(self._address)
        self._control_lock = threading.Lock()
        _replace_default_database(self._control, directory)
        self.known_settings = frozenset(self._column("SELECT name FROM system.settings"))
        self.access = AccessRules(frozenset(self._column("SELECT lower(name) FROM system.table_functions")))
        self.timezone = self._column("SELECT timezone()")[0]
        self.version = self._column("SELECT version()")[0]

    def open_session(self, user: str, password: str, database: str = "", settings: Mapping[str, str] | None = None) -> Session:
        """`settings` last as long as the session. Raises ServerError for an unknown user, password or database."""
        if user not in USERS or password:
            reason = "Authentication failed: password is incorrect, or there is no user with such name"
            raise ServerError(server_errors.AUTHENTICATION_FAILED, f"{user}: {reason}. (AUTHENTICATION_FAILED)")
        session = Session(lambda: chdb.connect(self._address), user, self.known_settings, self._incoming)
        try:
            if settings:
                session.keep(settings)
            if database:
                session.use(database)
            if user != OWNER:
                session.run_inside("SET readonly = 2")
        except BaseException:
            session.close()
            raise
        return session

    def stop_query(self, tag: str) -> None:
        """Asks the engine to end the query with this tag; returns at once, whether there is one or not."""
        with self._control_lock:
            self._control.query(f"KILL QUERY WHERE Settings['log_comment'] = {quoted(tag)} ASYNC", "Null")

    def query_ids(self, tag: str) -> list[str]:
        """The ids by which the engine knows the running queries with this tag."""
        return self._column(f"SELECT query_id FROM system.processes WHERE Settings['log_comment'] = {quoted(tag)}")

    def close(self) -> None:
        self._control.close()

    def _column(self, sql: str) -> list[str]:
        with self._control_lock:
            output: bytes = self._control.query(sql, "TSV").bytes() or b""
        return output.decode().splitlines()


def _replace_default_database(connection: Any, directory: Path) -> None:
    """The engine's own `default` database opens any file of this machine by name (SELECT * FROM `x.csv`).

    An ordinary database takes its place; the two keep their metadata in the same file, hence ATTACH at later starts.
    """
    file, tables = directory / "metadata" / "default.sql", directory / "metadata" / "default"
    connection.query("DETACH DATABASE default", "Null")
    if file.exists() and not tables.exists():
        file.unlink()  # it never held a table: the engine finds no folder for its UUID and refuses to attach it
    connection.query("ATTACH DATABASE default" if file.exists() else "CREATE DATABASE default ENGINE = Atomic", "Null")
