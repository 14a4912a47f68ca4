"""A client on the native TCP port, from Hello to the end of its connection."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeVar

from services.embedded import native_protocol as protocol
from services.embedded import server_errors
from services.embedded.engine import Engine
from services.embedded.engine_config import DISPLAY_NAME
from services.embedded.engine_session import RowsInsert, Session
from services.embedded.native_blocks import EMPTY_BLOCK, Block, Column, header_block
from services.embedded.native_result import NativeResult
from services.embedded.native_stream import NativeStream
from services.embedded.native_types import UnknownType, layout_of
from services.embedded.query_admission import Admission, AdmittedQuery, QueryRequest
from services.embedded.server_errors import ServerError
from services.embedded.sql_tokens import quoted_name
from services.embedded.wire import MalformedPacket

_log = logging.getLogger(__name__)
T = TypeVar("T")


class NativeConnection:
    def __init__(self, engine: Engine, admission: Admission, threads: Executor, stream: NativeStream) -> None:
        self._engine = engine
        self._admission = admission
        self._threads = threads
        self._stream = stream
        self._session: Session | None = None

    async def serve(self) -> None:
        """Returns when the client has gone or has sent what cannot be understood."""
        try:
            await self._greet()
            while True:
                await self._next_packet()
        except (EOFError, ConnectionError):
            return
        except (MalformedPacket, UnknownType) as wrong:
            _log.warning("closing a connection: %s", wrong)
            self._tell(ServerError(server_errors.UNEXPECTED_PACKET, f"{wrong}. (UNEXPECTED_PACKET_FROM_CLIENT)"))
        except ServerError as refused:
            self._tell(refused)
        finally:
            if self._session is not None:
                await self._in_thread(self._session.close)
            await self._stream.close()

    def _tell(self, error: ServerError) -> None:
        self._stream.write(protocol.exception(error))

    def _in_thread(self, work: Callable[[], T]) -> asyncio.Future[T]:
        return asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def _greet(self) -> None:
        said = await self._stream.read(lambda: protocol.read_hello(self._stream.wire))
        if said.revision < protocol.OLDEST_REVISION:
            raise MalformedPacket(f"client revision {said.revision} is older than {protocol.OLDEST_REVISION}")
        database = "" if said.database == "default" else said.database
        self._session = await self._in_thread(lambda: self._engine.open_session(said.user, said.password, database))
        self._stream.write(protocol.hello(self._engine.version, self._engine.timezone, DISPLAY_NAME))
        await self._stream.flush()

    async def _next_packet(self) -> None:
        self._stream.wire.forget_consumed()
        number = await self._stream.read(self._stream.wire.varint)
        if number == protocol.CLIENT_PING:
            self._stream.write(protocol.pong())
            await self._stream.flush()
        elif number == protocol.CLIENT_QUERY:
            await self._query()
        elif number == protocol.CLIENT_DATA:
            await self._data_after_number(compressed=False)
        elif number != protocol.CLIENT_CANCEL:
            raise MalformedPacket(f"packet {number}")

    async def _data_after_number(self, compressed: bool) -> tuple[str, Block]:
        table = await self._stream.read(self._stream.wire.text)
        return table, await self._stream.read_block(compressed)

    async def _next_block(self, compressed: bool) -> tuple[str, Block] | None:
        """The next Data packet's table and block; None for the empty one that ends them."""
        number = await self._stream.read(self._stream.wire.varint)
        if number == protocol.CLIENT_CANCEL:
            raise ServerError(server_errors.QUERY_WAS_CANCELLED, "Query was cancelled. (QUERY_WAS_CANCELLED)")
        if number != protocol.CLIENT_DATA:
            raise MalformedPacket(f"packet {number} where data were expected")
        table, block = await self._data_after_number(compressed)
        return (table, block) if block.columns else None

    async def _query(self) -> None:
        packet = await self._stream.read(lambda: protocol.read_query(self._stream.wire))
        tables = []
        while (sent := await self._next_block(packet.compression)) is not None:
            tables.append(sent)
        session = self._open_session()
        request = QueryRequest(packet.sql, packet.query_id, packet.plain_settings(), packet.important, packet.parameters())
        try:
            query = await self._in_thread(lambda: self._admission.begin(session, request))
        except ServerError as refused:
            self._tell(refused)
            await self._stream.flush()
            return
        try:
            await self._run(session, query, tables, packet.compression)
        except ServerError as failed:
            await self._in_thread(lambda: self._end(session, query, tables, succeeded=False))
            self._tell(failed)
        except BaseException:
            await self._in_thread(lambda: self._end(session, query, tables, succeeded=False))
            raise
        else:
            await self._in_thread(lambda: self._end(session, query, tables, succeeded=True))
            self._stream.write(protocol.end_of_stream())
        await self._stream.flush()

    def _open_session(self) -> Session:
        assert self._session is not None
        return self._session

    def _end(self, session: Session, query: AdmittedQuery, tables: list[tuple[str, Block]], succeeded: bool) -> None:
        for name, _block in tables:
            session.run_inside(f"DROP TEMPORARY TABLE IF EXISTS {quoted_name(name)}")
        self._admission.end(session, query, succeeded)

    async def _run(self, session: Session, query: AdmittedQuery, tables: list[tuple[str, Block]], compression: bool) -> None:
        for name, block in tables:
            await self._in_thread(lambda name=name, block=block: _create_external_table(session, name, block))  # type: ignore[misc]
        if query.statement.insert and not query.inline_rows:
            await self._insert(session, query, compression)
        else:
            await self._answer(NativeResult(session, query), query, compression)

    async def _answer(self, result: NativeResult, query: AdmittedQuery, compression: bool) -> None:
        cancelled = False

        def cancel() -> None:
            nonlocal cancelled
            cancelled = True
            # Not through the shared threads: they may all be busy with queries that wait to be stopped.
            asyncio.get_running_loop().run_in_executor(None, self._admission.stop, query.tag)

        try:
            first = True
            while True:
                block = await self._stream.until_done(self._in_thread(result.fetch), cancel)
                if cancelled:
                    break
                if first:
                    await self._header(result, block, compression)
                    first = False
                if block is None:
                    break
                self._stream.write(protocol.data(block, compression))
                await self._stream.flush()
        except ServerError:
            if not cancelled:
                raise
        except BaseException:
            await self._in_thread(result.cancel)
            raise
        if cancelled:
            await self._in_thread(result.cancel)
        else:
            self._summary(result, compression)

    async def _header(self, result: NativeResult, first: bytes | None, compression: bool) -> None:
        """Clients take names and types only from a block without rows that comes before all others."""
        columns = await self._in_thread(lambda: result.columns(first))
        if columns:
            self._stream.write(protocol.data(header_block(columns), compression))

    def _summary(self, result: NativeResult, compression: bool) -> None:
        self._stream.write(protocol.profile_info(result.rows, result.blocks, result.output_bytes))
        read_rows, read_bytes = result.read_rows or result.rows, result.read_bytes or result.output_bytes
        self._stream.write(protocol.progress(read_rows, read_bytes))
        if result.blocks:
            self._stream.write(protocol.data(EMPTY_BLOCK, compression))

    async def _insert(self, session: Session, query: AdmittedQuery, compression: bool) -> None:
        insert = query.statement.insert
        assert insert is not None
        columns = await self._in_thread(lambda: _columns_to_send(session, insert.target, insert.columns))
        self._stream.write(protocol.data(header_block(columns), compression))
        await self._stream.flush()
        rows = _Rows(session, insert.before_rows)
        try:
            while (sent := await self._next_block(compression)) is not None:
                _table, block = sent
                await self._in_thread(lambda block=block: rows.push(block))  # type: ignore[misc]
            written_rows, written_bytes = await self._in_thread(rows.finish)
        except BaseException:
            await self._in_thread(rows.cancel)
            raise
        self._stream.write(protocol.progress(written_rows=written_rows, written_bytes=written_bytes))


class _Rows:
    """An INSERT's blocks on their way to the engine; a failure is told only after the client has sent them all."""

    def __init__(self, session: Session, sql: str) -> None:
        self._session = session
        self._sql = sql
        self._insert: RowsInsert | None = None
        self._failure: ServerError | None = None

    def push(self, block: Block) -> None:
        if self._failure or not block.rows:
            return
        try:
            if self._insert is None:
                self._insert = self._session.insert(self._sql, "Native")
            self._insert.push(block.raw)
        except ServerError as failed:
            self._failure = failed

    def finish(self) -> tuple[int, int]:
        if self._failure:
            raise self._failure
        return self._insert.finish() if self._insert else (0, 0)

    def cancel(self) -> None:
        if self._insert is not None:
            self._insert.cancel()


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
        insert = session.insert(f"INSERT INTO {quoted_name(name)}", "Native")
        insert.push(block.raw)
        insert.finish()
