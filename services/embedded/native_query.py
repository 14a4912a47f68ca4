"""One query of the native port, from admission to its end, in steps that block: a server runs them in threads, in order."""

from collections.abc import Sequence

from services.embedded.engine_session import RowsInsert, Session
from services.embedded.insert_head import InsertHead
from services.embedded.native_blocks import Block, Column
from services.embedded.native_result import NativeResult
from services.embedded.native_types import UnknownType, layout_of
from services.embedded.query_admission import Admission, AdmittedQuery, QueryRequest
from services.embedded.sql_tokens import quoted_name

ExternalTable = tuple[str, Block]
SMALL_BYTES = 64 * 1024
"""After a first block of up to so many it is looked at once whether more follow: mostly none do, and a further step costs as much as a
small answer."""


class NativeQuery:
    """`open` first; then `push` and `finish_rows` if `takes_rows`, else `next_block` until it `has_ended`. `abort` ends it early.

    Every step raises ServerError; the query has ended then, and nothing more may be called.
    """

    def __init__(self, admission: Admission, session: Session, request: QueryRequest, tables: Sequence[ExternalTable]) -> None:
        self._admission = admission
        self._session = session
        self._request = request
        self._tables = tables
        self._query: AdmittedQuery | None = None
        self._insert: RowsInsert | None = None
        self.result: NativeResult | None = None
        self.columns: list[Column] = []
        self.first_blocks: list[bytes] = []
        """What `open` has fetched already."""

    @property
    def takes_rows(self) -> bool:
        return self.result is None

    @property
    def has_ended(self) -> bool:
        return self._query is None

    def open(self) -> None:
        """Starts the query: finds the columns to send to, or fetches what the answer begins with."""
        self._query = self._admission.begin(self._session, self._request)
        try:
            for name, block in self._tables:
                _create_external_table(self._session, name, block)
            insert = self._query.statement.insert
            if insert and not self._query.inline_rows:
                self.columns = self._admission.described.of(insert, lambda: _columns_to_send(self._session, insert.target, insert.columns))
                return
            self.result = NativeResult(self._session, self._query)
            first = self.result.fetch()
            self.columns = self.result.columns(first)
            second = self.result.fetch() if first is not None and len(first) <= SMALL_BYTES else None
        except BaseException:
            self.abort()
            raise
        self.first_blocks = [block for block in (first, second) if block is not None]
        if self.result.is_done:
            self._end(succeeded=True)

    def next_block(self) -> bytes | None:
        """A block after the first ones; None once, when there are no more."""
        assert self.result
        try:
            block = self.result.fetch()
        except BaseException:
            self._end(succeeded=False)
            raise
        if block is None:
            self._end(succeeded=True)
        return block

    def push(self, block: Block) -> None:
        assert self._query
        assert self._query.statement.insert
        if block.rows:
            if self._insert is None:
                self._insert = self._session.insert(self._query.statement.insert, "Native")
            self._insert.push(block.raw)

    def finish_rows(self) -> tuple[int, int]:
        """(rows, bytes) written, on disk now."""
        insert, self._insert = self._insert, None
        try:
            answer = insert.finish() if insert else None
        except BaseException:
            self._end(succeeded=False)
            raise
        self._end(succeeded=True)
        return (answer.written_rows, answer.written_bytes) if answer else (0, 0)

    def abort(self) -> None:
        """Drops what was begun; does nothing to a query that has ended."""
        if self._query is None:
            return
        if self._insert is not None:
            self._insert.cancel()
        if self.result is not None:
            self.result.cancel()
        self._end(succeeded=False)

    def _end(self, succeeded: bool) -> None:
        query, self._query = self._query, None
        assert query
        for name, _block in self._tables:
            self._session.run_inside(f"DROP TEMPORARY TABLE IF EXISTS {quoted_name(name)}")
        self._admission.end(self._session, query, succeeded)


def _columns_to_send(session: Session, target: str, column_list: str) -> list[Column]:
    """What the client must send; a type this server cannot walk over is asked for as text, which the engine converts."""
    if column_list:
        names = column_list.strip()[1:-1]
        found = session.describe(f"(SELECT {names} FROM {target.removeprefix('FUNCTION ')})")
    else:
        found = [column for column in session.describe(target) if column[2] in ("", "DEFAULT")]
    return [(name, type_name if _can_be_walked(type_name) else "String") for name, type_name, _default in found]


def _can_be_walked(type_name: str) -> bool:
    try:
        layout_of(type_name)
    except UnknownType:
        return False
    return "JSON" not in type_name


def _create_external_table(session: Session, name: str, block: Block) -> None:
    columns = ", ".join(f"{quoted_name(column)} {type_name}" for column, type_name in block.columns)
    session.run_inside(f"CREATE TEMPORARY TABLE {quoted_name(name)} ({columns})")
    if block.rows:
        insert = session.insert(InsertHead.into(quoted_name(name)), "Native")
        insert.push(block.raw)
        insert.finish()
