"""A client on the native TCP port, from Hello to the end of its connection."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeVar

from services.embedded import native_protocol as protocol
from services.embedded import server_errors
from services.embedded.engine import Engine
from services.embedded.engine_config import DISPLAY_NAME, NATIVE_PROTOCOL_SETTINGS
from services.embedded.engine_session import Session
from services.embedded.native_blocks import EMPTY_BLOCK, header_block
from services.embedded.native_query import ExternalTable, NativeQuery
from services.embedded.native_result import NativeResult
from services.embedded.native_stream import NativeStream
from services.embedded.native_types import UnknownType
from services.embedded.query_admission import Admission, QueryRequest
from services.embedded.server_errors import ServerError
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
        """Returns when the client has gone or has sent what cannot be understood; never raises for what a client does."""
        try:
            session = await self._greet()
            while True:
                await self._next_packet(session)
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
            self._stream.close()

    def _tell(self, error: ServerError) -> None:
        self._stream.write(protocol.exception(error))

    def _in_thread(self, work: Callable[[], T]) -> asyncio.Future[T]:
        return asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def _greet(self) -> Session:
        said = await self._stream.read(lambda: protocol.read_hello(self._stream.wire))
        if said.revision < protocol.OLDEST_REVISION:
            raise MalformedPacket(f"client revision {said.revision} is older than {protocol.OLDEST_REVISION}")
        database = "" if said.database == "default" else said.database
        session = await self._in_thread(lambda: self._engine.open_session(said.user, said.password, database, NATIVE_PROTOCOL_SETTINGS))
        self._session = session
        self._stream.write(protocol.hello(self._engine.version, self._engine.timezone, DISPLAY_NAME))
        await self._stream.flush()
        return session

    async def _next_packet(self, session: Session) -> None:
        self._stream.wire.forget_consumed()
        number = await self._stream.read(self._stream.wire.varint)
        if number == protocol.CLIENT_PING:
            self._stream.write(protocol.pong())
            await self._stream.flush()
        elif number == protocol.CLIENT_QUERY:
            await self._query(session)
        elif number == protocol.CLIENT_DATA:
            await self._table_and_block(compressed=False)
        elif number != protocol.CLIENT_CANCEL:
            raise MalformedPacket(f"packet {number}")

    async def _table_and_block(self, compressed: bool) -> ExternalTable:
        """A Data packet, after its number."""
        table = await self._stream.read(self._stream.wire.text)
        return table, await self._stream.read_block(compressed)

    async def _next_data(self, compressed: bool) -> ExternalTable | None:
        """The next Data packet's table and block; None for the empty one that ends them."""
        number = await self._stream.read(self._stream.wire.varint)
        if number == protocol.CLIENT_CANCEL:
            raise ServerError(server_errors.QUERY_WAS_CANCELLED, "Query was cancelled. (QUERY_WAS_CANCELLED)")
        if number != protocol.CLIENT_DATA:
            raise MalformedPacket(f"packet {number} where data were expected")
        table, block = await self._table_and_block(compressed)
        return (table, block) if block.columns else None

    async def _query(self, session: Session) -> None:
        packet = await self._stream.read(lambda: protocol.read_query(self._stream.wire))
        tables = []
        while (sent := await self._next_data(packet.compression)) is not None:
            tables.append(sent)
        request = QueryRequest(packet.sql, packet.query_id, packet.plain_settings(), packet.important, packet.parameters())
        query = NativeQuery(self._admission, session, request, tables)
        try:
            await self._run(query, request.tag, packet.compression)
        except ServerError as failed:
            self._tell(failed)
        except BaseException:
            await self._in_thread(query.abort)
            raise
        else:
            self._stream.write(protocol.end_of_stream())
        await self._stream.flush()

    async def _run(self, query: NativeQuery, tag: str, compression: bool) -> None:
        stopped = False

        def stop() -> None:
            nonlocal stopped
            stopped = True
            # Not in the shared threads: they may all be busy with queries that wait to be stopped.
            asyncio.get_running_loop().run_in_executor(None, self._admission.stop, tag)

        try:
            await self._stream.until_done(self._in_thread(query.open), stop)
            if query.columns:
                self._stream.write(protocol.data(header_block(query.columns), compression))
            if query.result is None:
                await self._take_rows(query, compression)
                return
            for block in query.first_blocks if not stopped else ():
                self._stream.write(protocol.data(block, compression))
            while not query.has_ended and not stopped:
                await self._stream.flush()
                following = await self._stream.until_done(self._in_thread(query.next_block), stop)
                if following is not None:
                    self._stream.write(protocol.data(following, compression))
        except ServerError:
            if not stopped:
                raise
        if stopped:
            await self._in_thread(query.abort)
        elif query.result is not None:
            self._summarise(query.result, compression)

    def _summarise(self, result: NativeResult, compression: bool) -> None:
        self._stream.write(protocol.profile_info(result.rows, result.blocks, result.output_bytes))
        self._stream.write(protocol.progress(result.read_rows or result.rows, result.read_bytes or result.output_bytes))
        if result.blocks:
            self._stream.write(protocol.data(EMPTY_BLOCK, compression))

    async def _take_rows(self, query: NativeQuery, compression: bool) -> None:
        await self._stream.flush()
        try:
            while (sent := await self._next_data(compression)) is not None:
                _table, block = sent
                await self._in_thread(lambda block=block: query.push(block))  # type: ignore[misc]
        except ServerError:
            await self._in_thread(query.abort)
            raise
        written_rows, written_bytes = await self._in_thread(query.finish_rows)
        self._stream.write(protocol.progress(written_rows=written_rows, written_bytes=written_bytes))
