"""One client's session on the engine: its statements, settings and temporary tables.

A session runs one statement at a time (the caller sees to that); sessions run side by side. All calls block, so a server
makes them in threads, and all raise ServerError with the engine's own number and words.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.embedded import server_errors
from services.embedded.engine_config import CONNECTION_SETTINGS
from services.embedded.insert_head import InsertHead
from services.embedded.native_blocks import Column
from services.embedded.rows_file import RowsFile
from services.embedded.server_errors import ServerError
from services.embedded.sql_tokens import Token, quoted, quoted_name


@dataclass(frozen=True, slots=True)
class Answer:
    """A finished statement: its output, and what it read and wrote."""

    output: bytes
    result_rows: int
    read_rows: int
    read_bytes: int
    written_rows: int
    written_bytes: int
    elapsed_s: float


class Session:
    """One client's connection: current database, settings and temporary tables are its own."""

    def __init__(self, connect: Callable[[], Any], user: str, known_settings: frozenset[str], incoming: Path) -> None:
        self._connect = connect
        self._connection = connect()
        self._database = ""
        self.user = user
        self._known_settings = known_settings
        self._incoming = incoming
        self._kept_settings: dict[str, str] = {}
        """What the client SET for the whole session, as written, so that a query's own settings can be undone."""

    def use(self, database: str) -> None:
        self.run_inside(f"USE {quoted_name(database)}")
        self._database = database

    @contextmanager
    def sibling(self) -> Iterator["Session"]:
        """Another session in the same database, for a question in between while a result is streamed on this one."""
        session = Session(self._connect, self.user, self._known_settings, self._incoming)
        try:
            if self._database:
                session.use(self._database)
            yield session
        finally:
            session.close()

    def run_inside(self, sql: str) -> None:
        """Runs a statement of the server's own."""
        with _engine_errors():
            self._connection.query(sql, "Null")

    def keep(self, settings: Mapping[str, str]) -> None:
        """Sets them for the whole session."""
        self.apply(settings)
        self._kept_settings.update({name: quoted(value) for name, value in settings.items()})

    def apply(self, settings: Mapping[str, str], strict: frozenset[str] = frozenset()) -> None:
        """Sets them until `restore`. An unknown name is an error if it is among the strict ones, else passed over."""
        unknown = [name for name in settings if name not in self._known_settings]
        for name in unknown:
            if name in strict:
                raise ServerError(server_errors.UNKNOWN_SETTING, f"Unknown setting '{name}'. (UNKNOWN_SETTING)")
        known = {name: value for name, value in settings.items() if name not in unknown}
        if known:
            self.run_inside("SET " + ", ".join(f"{quoted_name(name)} = {quoted(known[name])}" for name in known))

    def restore(self, names: Sequence[str]) -> None:
        """Puts settings back to what the session had."""
        known = [name for name in names if name in self._known_settings]
        if known:
            self.run_inside("SET " + ", ".join(f"{quoted_name(name)} = {self._session_value(name)}" for name in known))

    def _session_value(self, name: str) -> str:
        if name in self._kept_settings:
            return self._kept_settings[name]
        return quoted(CONNECTION_SETTINGS[name]) if name in CONNECTION_SETTINGS else "DEFAULT"

    def remember(self, tokens: Sequence[Token], sql: str) -> None:
        """Notes what a SET or USE statement that succeeded has changed."""
        if tokens[0].keyword == "USE":
            self._database = tokens[-1].name
            return
        starts = [at for at in range(1, len(tokens) - 1) if tokens[at + 1].text == "=" and tokens[at].name]
        for start, following in zip(starts, [*starts[1:], len(tokens) + 1], strict=True):
            value = tokens[start + 2 : following - 1]
            if value:
                self._kept_settings[tokens[start].name] = sql[value[0].start : value[-1].end]

    def run(self, sql: str, output_format: str, parameters: Mapping[str, str] | None = None) -> Answer:
        """Runs a statement to its end, its whole output in memory."""
        with _engine_errors():
            result = self._connection.query(sql, output_format, params=dict(parameters or {}))
        return Answer(
            output=result.bytes() or b"",
            result_rows=result.rows_read(),
            read_rows=result.storage_rows_read(),
            read_bytes=result.storage_bytes_read(),
            written_rows=result.rows_written(),
            written_bytes=result.bytes_written(),
            elapsed_s=result.elapsed(),
        )

    def stream(self, sql: str, output_format: str, parameters: Mapping[str, str] | None = None) -> "ResultStream":
        """Starts a SELECT whose output is fetched piece by piece."""
        with _engine_errors():
            return ResultStream(self._connection.send_query(sql, output_format, params=dict(parameters or {})))

    def insert(self, insert: InsertHead, rows_format: str) -> "RowsInsert":
        """Begins an INSERT whose rows are pushed piece by piece; nothing is there before `finish`."""
        return RowsInsert(self, insert, rows_format, RowsFile(self._incoming))

    def describe(self, what: str, parameters: Mapping[str, str] | None = None) -> list[tuple[str, str, str]]:
        """(name, type, kind of default) of a table's or a parenthesised SELECT's columns."""
        answer = self.run(f"DESCRIBE TABLE {what}", "JSONCompact", parameters)
        return [(row[0], row[1], row[2]) for row in json.loads(answer.output)["data"]]

    def columns_of_output(self, sql: str, parameters: Mapping[str, str] | None = None) -> list[Column]:
        """Names and types of what a statement answers, found by running it for JSON, whose head names them."""
        answer = self.run(sql, "JSONCompact", parameters)
        return [(column["name"], column["type"]) for column in json.loads(answer.output)["meta"]] if answer.output else []

    def close(self) -> None:
        self._connection.close()


class ResultStream:
    """Pieces of a running SELECT's output; for the Native format each piece is one block."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def next_piece(self) -> tuple[bytes, int] | None:
        """(output, rows in it), or None at the end. Raises ServerError."""
        with _engine_errors():
            piece = self._stream.fetch()
        return None if piece is None else (piece.bytes(), piece.rows_read())

    def cancel(self) -> None:
        self._stream.cancel()


class RowsInsert:
    """An INSERT in progress. Exactly one of `finish` and `cancel` ends it."""

    def __init__(self, session: Session, insert: InsertHead, rows_format: str, rows: RowsFile) -> None:
        self._session = session
        self._insert = insert
        self._format = rows_format
        self._rows = rows

    def push(self, rows: bytes) -> None:
        self._rows.add(rows)

    def finish(self) -> Answer:
        """Runs the insert: the rows are on disk when this returns."""
        try:
            return self._session.run(self._rows.statement(self._insert, self._format), "Null")
        finally:
            self._rows.remove()

    def cancel(self) -> None:
        self._rows.remove()


@contextmanager
def _engine_errors() -> Iterator[None]:
    try:
        yield
    except RuntimeError as failure:
        raise server_errors.from_engine(failure) from failure
