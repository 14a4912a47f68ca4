"""ClickHouse's HTTP interface as an ASGI application: curl, clickhouse-connect and BI tools talk to this.

Source of the behaviour: ClickHouse's page on its HTTP interface and `src/Server/HTTPHandler.cpp`.
"""

import asyncio
import contextlib
import logging
import uuid
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import Executor
from typing import Any, TypeVar

import uvicorn

from services.embedded import http_answers
from services.embedded.engine import Engine
from services.embedded.http_body import Body, ClientGone, QueryText, Receive, read_form, read_query, tables_of
from services.embedded.http_encodings import Encoder, clickhouse_frames_decoder, decoder, encoder, in_clickhouse_frames
from services.embedded.http_query import HttpQuery
from services.embedded.http_request import HttpRequest, comes_from_this_machine, fields_of
from services.embedded.http_sessions import NamedSessions
from services.embedded.processes import LOOPBACK
from services.embedded.query_admission import Admission
from services.embedded.server_errors import ACCESS_DENIED, ServerError
from services.embedded.wire import MAX_TEXT_BYTES

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
KEEP_ALIVE_S = 30
T = TypeVar("T")


def uvicorn_config(engine: Engine, admission: Admission, threads: Executor, port: int) -> uvicorn.Config:
    # What uvicorn would log as errors of the application are answers that broke off on purpose.
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    return uvicorn.Config(
        HttpInterface(engine, admission, threads),
        host=LOOPBACK,
        port=port,
        http="httptools",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        backlog=1024,
    )


class HttpInterface:
    def __init__(self, engine: Engine, admission: Admission, threads: Executor) -> None:
        self.engine = engine
        self.admission = admission
        self.threads = threads
        self.sessions = NamedSessions()

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        fields = fields_of(scope["query_string"].decode("latin-1"))
        request = HttpRequest(scope["method"], fields, headers)
        exchange = _Exchange(self, request, receive, send)
        if scope["path"] in ("/ping", "/replicas_status") or (scope["path"] == "/" and _says_nothing(request)):
            await exchange.answer(200, {"Content-Type": "text/html; charset=UTF-8"}, b"Ok.\n")
        elif scope["path"] != "/":
            await exchange.answer(404, {}, b"There is no such page here; queries go to /\n")
        else:
            await exchange.run()


def _says_nothing(request: HttpRequest) -> bool:
    return request.reads_only and "query" not in request.fields


class _Exchange:
    """One request and its answer."""

    def __init__(self, server: HttpInterface, request: HttpRequest, receive: Receive, send: Send) -> None:
        self._server = server
        self._request = request
        self._receive = receive
        self._send = send
        self._query: HttpQuery | None = None
        self._body = Body(receive, [])
        self._gone: asyncio.Future[Any] | None = None
        self._has_begun = False
        self._encoding = ""
        self._output = encoder("")
        self._tag = uuid.uuid4().hex[:16]

    async def run(self) -> None:
        try:
            await self._run()
        except ClientGone:
            return
        except ServerError as failed:
            await self._tell(failed)
        finally:
            await self._end_query()
            if self._gone is not None:
                self._gone.cancel()

    async def _end_query(self) -> None:
        """Before the end of the answer is sent: whoever has read it may use the session in the next request."""
        if self._query is not None:
            await self._in_thread(self._query.close)

    def _in_thread(self, work: Callable[[], T]) -> asyncio.Future[T]:
        return asyncio.get_running_loop().run_in_executor(self._server.threads, work)

    async def _run(self) -> None:
        if not comes_from_this_machine(self._request.headers):
            raise ServerError(ACCESS_DENIED, "Requests from other sites' pages are refused. (ACCESS_DENIED)")
        self._encoding = self._request.answer_encoding
        self._body = Body(self._receive, self._decoders())
        text = await self._read_text()
        server = self._server
        query = self._query = HttpQuery(server.engine, server.admission, server.sessions, self._request, text)
        await self._until_done(self._in_thread(query.open))
        if query.takes_rows:
            await self._take_rows(query, text.first_rows)
        else:
            await self._send_result(query)

    def _decoders(self) -> list[Any]:
        decoders = [decoder(self._request.headers.get("content-encoding", ""))]
        return [*decoders, clickhouse_frames_decoder()] if self._request.is_on("decompress") else decoders

    async def _read_text(self) -> QueryText:
        content_type = self._request.headers.get("content-type", "")
        if not content_type.lower().startswith("multipart/form-data"):
            return await read_query(self._request.fields.get("query", ""), self._body)
        fields, files = read_form(content_type, await self._body.up_to(MAX_TEXT_BYTES))
        everything = {**self._request.fields, **fields}
        tables = tables_of(files, everything)
        of_tables = {f"{table.name}_{what}" for table in tables for what in ("structure", "types", "format")}
        kept = {name: value for name, value in everything.items() if name not in of_tables}
        self._request = HttpRequest(self._request.method, kept, self._request.headers)
        return QueryText(kept.get("query", ""), tables=tables)

    async def _until_done(self, job: asyncio.Future[T]) -> T:
        """The job's result; if the client goes away first, stops the query and raises ClientGone."""
        if not self._body.is_read:
            return await job
        if self._gone is None:
            self._gone = asyncio.ensure_future(self._receive())
        either: set[asyncio.Future[Any]] = {job, self._gone}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not self._gone.done() or self._query is None:
            return await job
        # Not in the shared threads: they may all be busy with queries that wait to be stopped.
        stop, tag = self._server.admission.stop, self._query.request.tag
        await asyncio.get_running_loop().run_in_executor(None, stop, tag)
        with contextlib.suppress(ServerError):
            await job
        raise ClientGone

    async def _take_rows(self, query: HttpQuery, first_rows: bytes) -> None:
        piece: bytes | None = first_rows
        while piece is not None:
            if piece:
                await self._in_thread(lambda piece=piece: query.push(piece))  # type: ignore[misc]
            piece = await self._body.next_piece()
        await self._in_thread(query.finish_rows)
        await self._end_query()
        await self.answer(200, self._headers(query, "text/plain; charset=UTF-8"), b"")

    async def _send_result(self, query: HttpQuery) -> None:
        output = self._output = self._encoder()
        headers = self._headers(query, http_answers.content_type(query.output_format))
        headers["X-ClickHouse-Format"] = query.output_format
        if self._encoding:
            headers["Content-Encoding"] = self._encoding
        if self._request.is_on("wait_end_of_query"):
            whole = [output.add(piece) async for piece in self._pieces(query)]
            await self._end_query()
            await self.answer(200, headers, b"".join([*whole, output.finish()]))
            return
        headers["X-ClickHouse-Exception-Tag"] = self._tag
        await self._begin(200, headers)
        async for piece in self._pieces(query):
            await self._add(output.add(piece))
        await self._end_query()
        await self._add(output.finish(), more=False)

    async def _pieces(self, query: HttpQuery) -> Any:
        piece = query.first_piece
        while piece is not None:
            yield piece
            piece = await self._until_done(self._in_thread(query.next_piece))

    def _encoder(self) -> Encoder:
        plain = encoder(self._encoding)
        return in_clickhouse_frames(plain) if self._request.is_on("compress") else plain

    def _headers(self, query: HttpQuery, content_type: str) -> dict[str, str]:
        common = http_answers.common_headers(query.request.query_id, self._server.engine.timezone)
        return {**common, "Content-Type": content_type, "X-ClickHouse-Summary": query.summary}

    async def _tell(self, error: ServerError) -> None:
        await self._end_query()
        version = self._server.engine.version
        if self._has_begun:
            told = self._output.add(http_answers.error_in_body(error, version, self._tag))
            await self._add(told + self._output.finish())
            # Without an end of its own the answer cannot be taken for a whole one: the connection is closed.
            return
        await self._body.drain()
        headers = {"Content-Type": "text/plain; charset=UTF-8", "X-ClickHouse-Exception-Code": str(error.code)}
        if self._query is not None:
            headers = {**self._headers(self._query, headers["Content-Type"]), **headers}
        await self.answer(http_answers.status_of(error), headers, http_answers.error_text(error, version))

    async def answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        await self._begin(status, {**headers, "Content-Length": str(len(body))})
        await self._add(b"" if self._request.method == "HEAD" else body, more=False)

    async def _begin(self, status: int, headers: dict[str, str]) -> None:
        self._has_begun = True
        raw = [(name.lower().encode("latin-1"), value.encode("latin-1", "replace")) for name, value in headers.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": raw})

    async def _add(self, piece: bytes, more: bool = True) -> None:
        if piece or not more:
            await self._send({"type": "http.response.body", "body": piece, "more_body": more})
