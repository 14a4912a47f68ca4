"""An HTTP request's body: its pieces as they arrive, decompressed, and the query and rows to be found in them."""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any

from services.embedded.http_encodings import Decoder
from services.embedded.insert_head import read_insert_head
from services.embedded.query_admission import EXPRESSIONS_CHECKED_BYTES
from services.embedded.server_errors import BAD_ARGUMENTS, TOO_LARGE, ServerError
from services.embedded.sql_tokens import tokens
from services.embedded.wire import MAX_TEXT_BYTES

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
HEAD_BYTES = 1024 * 1024
"""An INSERT's text before its rows is found within this many bytes."""


class ClientGone(Exception):
    """The client closed the connection before its request was answered; there is nobody to tell anything."""


class Body:
    """The pieces of the body, in order, once. Raises ClientGone, or ServerError for what does not decompress."""

    def __init__(self, receive: Receive, decoders: Sequence[Decoder]) -> None:
        self._receive = receive
        self._decoders = decoders
        self.is_read = False

    async def next_piece(self) -> bytes | None:
        """Never empty; None after the last."""
        while not self.is_read:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            self.is_read = not message.get("more_body", False)
            piece = message.get("body", b"")
            for decoder in self._decoders:
                piece = decoder.add(piece)
            if self.is_read and not all(decoder.is_finished() for decoder in self._decoders):
                raise ServerError(BAD_ARGUMENTS, "The compressed body is cut off. (BAD_ARGUMENTS)")
            if piece:
                return bytes(piece)
        return None

    async def up_to(self, limit: int) -> bytes:
        """The next pieces, joined: all there are, or a little more than `limit` bytes."""
        pieces = bytearray()
        while len(pieces) <= limit and (piece := await self.next_piece()) is not None:
            pieces += piece
        return bytes(pieces)

    async def drain(self) -> None:
        """Reads the rest and drops it, so that the connection can carry another request."""
        while not self.is_read:
            message = await self._receive()
            self.is_read = message["type"] == "http.disconnect" or not message.get("more_body", False)


@dataclass(frozen=True, slots=True)
class SentTable:
    """A table that came along with a query, for it alone."""

    name: str
    structure: str
    rows_format: str
    rows: bytes


@dataclass(frozen=True, slots=True)
class QueryText:
    sql: str
    rows_follow: bool = False
    first_rows: bytes = b""
    """The rows that arrived together with the text; the rest is still in the body."""
    tables: tuple[SentTable, ...] = ()


async def read_query(in_url: str, body: Body) -> QueryText:
    """The query from the URL, the body or both: the body follows the URL's text, as rows if that is an INSERT."""
    before = in_url.encode("utf-8", "surrogateescape")
    # A body after an INSERT in the URL may be rows in any encoding; a newline ends the URL's text otherwise.
    separator = b"\n" if before else b""
    head = await body.up_to(HEAD_BYTES)
    text = _decoded(before + (separator + head if head else b""))
    first = next(tokens(text), None)
    insert = read_insert_head(text)[0] if first is not None and first.keyword == "INSERT" else None
    if insert is None:
        whole = before + (separator + head + await _rest(body, head) if head else b"")
        return QueryText(_decoded(whole))
    if insert.format == "Values" and body.is_read and len(text) <= EXPRESSIONS_CHECKED_BYTES:
        return QueryText(text)
    rows = _encoded(text[insert.data_start :])
    return QueryText(text[: insert.data_start], rows_follow=True, first_rows=_after_format(rows))


async def _rest(body: Body, head: bytes) -> bytes:
    rest = await body.up_to(MAX_TEXT_BYTES - len(head))
    if not body.is_read:
        raise ServerError(TOO_LARGE, f"A query of more than {MAX_TEXT_BYTES} bytes. (QUERY_IS_TOO_LARGE)")
    return rest


def _after_format(rows: bytes) -> bytes:
    """Rows begin on the line after the format's name, or after a space on the same line."""
    rows = rows.lstrip(b" \t")
    if rows.startswith(b";"):
        rows = rows[1:].lstrip(b" \t")
    return rows.removeprefix(b"\r").removeprefix(b"\n")


def _decoded(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def read_form(content_type: str, body: bytes) -> tuple[dict[str, str], dict[str, bytes]]:
    """The fields and files of a multipart form."""
    message = BytesParser(policy=HTTP).parsebytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body)
    fields: dict[str, str] = {}
    files: dict[str, bytes] = {}
    for part in message.iter_parts():
        name = str(part.get_param("name", "", "content-disposition"))
        content = part.get_payload(decode=True)
        assert isinstance(content, bytes)
        if part.get_filename() is None:
            fields[name] = _decoded(content)
        else:
            files[name] = content
    return fields, files


def tables_of(files: Mapping[str, bytes], fields: Mapping[str, str]) -> tuple[SentTable, ...]:
    """Files become tables as `NAME_structure` (or `NAME_types`) and `NAME_format` say."""
    return tuple(
        SentTable(name, _structure(name, fields), fields.get(f"{name}_format", "TabSeparated"), rows) for name, rows in files.items()
    )


def _structure(name: str, fields: Mapping[str, str]) -> str:
    given = fields.get(f"{name}_structure")
    if given:
        return given
    types = [part.strip() for part in fields.get(f"{name}_types", "").split(",") if part.strip()]
    if not types:
        raise ServerError(BAD_ARGUMENTS, f"The table {name} has no {name}_structure. (BAD_ARGUMENTS)")
    return ", ".join(f"_{number} {type_name}" for number, type_name in enumerate(types, 1))
