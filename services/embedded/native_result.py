"""A statement's answer as blocks for the native protocol. Blocks: called in threads."""

from services.embedded.engine_session import ResultStream, Session
from services.embedded.native_blocks import Block, BlockWalker, Column, split_blocks
from services.embedded.native_types import UnknownType
from services.embedded.query_admission import AdmittedQuery
from services.embedded.server_errors import ServerError
from services.embedded.wire import WireReader

_SHOWS_ROWS = frozenset({"SHOW", "DESCRIBE", "DESC", "EXPLAIN", "EXISTS", "CHECK", "KILL"})
_CANNOT_STREAM = "Streaming query is not supported"


class NativeResult:
    """Fetched block by block; a SELECT is run as its blocks are fetched, anything else at the first fetch."""

    def __init__(self, session: Session, query: AdmittedQuery) -> None:
        self._session = session
        self._query = query
        self._sql = query.statement.without_format() if query.statement.reads else query.sql
        self._stream: ResultStream | None = None
        self._finished: list[Block] | None = None
        self._started = False
        self.is_done = False
        """Whether the end was fetched."""
        self.rows = self.blocks = self.output_bytes = 0
        self.read_rows = self.read_bytes = 0

    def fetch(self) -> bytes | None:
        """The next block in Native format, or None at the end. Raises ServerError."""
        if not self._started:
            self._started = True
            self._start()
        block = self._next_block()
        if block is None:
            self.is_done = True
            return None
        self.rows += block[1]
        self.blocks += 1
        self.output_bytes += len(block[0])
        return block[0]

    def columns(self, first: bytes | None) -> list[Column]:
        """Names and types; `first` is the first block, or None when the answer has no rows."""
        if first is not None:
            try:
                return list(BlockWalker(WireReader(bytearray(first)), with_info=False).advance().columns)
            except UnknownType:
                # Asking on this session would end the open stream.
                with self._session.sibling() as sibling:
                    return self._described(sibling)
        if self._query.statement.reads:
            return self._described(self._session)
        if self._query.statement.keyword in _SHOWS_ROWS:
            return self._session.columns_of_output(self._sql, self._query.parameters)
        return []

    def cancel(self) -> None:
        if self._stream is not None:
            self._stream.cancel()

    def _start(self) -> None:
        if self._query.statement.reads:
            try:
                self._stream = self._session.stream(self._sql, "Native", self._query.parameters)
                return
            except ServerError as refused:
                if _CANNOT_STREAM not in refused.message:
                    raise
        answer = self._session.run(self._sql, "Native", self._query.parameters)
        self.read_rows, self.read_bytes = answer.read_rows, answer.read_bytes
        self._finished = _blocks(answer.output, answer.result_rows)

    def _next_block(self) -> tuple[bytes, int] | None:
        if self._stream is not None:
            return self._stream.next_piece()
        if not self._finished:
            return None
        block = self._finished.pop(0)
        return block.raw, block.rows

    def _described(self, session: Session) -> list[Column]:
        try:
            answer = session.describe(f"({self._sql})", self._query.parameters)
        except ServerError:
            # A SELECT that cannot stand in parentheses, such as one with settings of its own.
            return session.columns_of_output(self._sql, self._query.parameters)
        return [(name, type_name) for name, type_name, _default in answer]


def _blocks(output: bytes, rows: int) -> list[Block]:
    try:
        return split_blocks(output)
    except UnknownType:
        return [Block(output, (), rows)]
