"""Reads the body of a request within limits: bytes on the wire, bytes after decompression, bytes of all requests together."""

import asyncio
import zlib
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self

from services.ingest.items import Unparsable
from services.ingest.refusals import overloaded, too_large, too_slow, unknown_encoding

Receive = Callable[[], Awaitable[Any]]
GZIP = 16 + zlib.MAX_WBITS
MOST_GZIP_MEMBERS = 64
WHOLE_WITHIN_SECONDS = 30.0
"""A sender that is slower than this holds back what others could send."""


class PendingBytes:
    """The bytes of all requests that are not answered yet: what bounds the memory of the process."""

    def __init__(self, limit: int) -> None:
        self.limit, self.held = limit, 0

    def hold(self) -> "Hold":
        return Hold(self)


class Hold:
    """One request's share, given back when its answer is ready."""

    __slots__ = ("_all", "_mine")

    def __init__(self, every: PendingBytes) -> None:
        self._all, self._mine = every, 0

    def add(self, count: int) -> None:
        """Raises Refusal (429) when all together would be too much."""
        if self._all.held + count > self._all.limit:
            raise overloaded(self._all.limit)
        self._all.held += count
        self._mine += count

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._all.held -= self._mine
        self._mine = 0


class Disconnected(Exception):
    """Raised when the sender went away before its body was whole: there is nobody to answer."""


async def read_body(headers: dict[bytes, bytes], receive: Receive, most: int, hold: Hold) -> bytes:
    """The body, decompressed. Raises Refusal (413, 415, 429), Unparsable for broken gzip, Disconnected."""
    declared = headers.get(b"content-length", b"0")
    if declared.isdigit() and int(declared) > most:
        raise too_large(most)
    encoding = headers.get(b"content-encoding", b"identity").strip().lower()
    if encoding not in (b"identity", b"", b"gzip", b"x-gzip"):
        raise unknown_encoding(encoding.decode("latin-1"))
    body = await _received(receive, most, hold)
    if encoding not in (b"gzip", b"x-gzip"):
        return body
    plain = gunzip(body, most)
    hold.add(len(plain))
    return plain


async def _received(receive: Receive, most: int, hold: Hold) -> bytes:
    chunk, more = await _chunk(receive, most, hold)
    if not more:
        return chunk
    chunks, total = [chunk], len(chunk)
    try:
        async with asyncio.timeout(WHOLE_WITHIN_SECONDS):
            while more:
                chunk, more = await _chunk(receive, most, hold, total)
                chunks.append(chunk)
                total += len(chunk)
    except TimeoutError as error:
        raise too_slow(WHOLE_WITHIN_SECONDS) from error
    return b"".join(chunks)


async def _chunk(receive: Receive, most: int, hold: Hold, before: int = 0) -> tuple[bytes, bool]:
    message = await receive()
    if message["type"] == "http.disconnect":
        raise Disconnected
    chunk: bytes = message.get("body", b"")
    if before + len(chunk) > most:
        raise too_large(most)
    hold.add(len(chunk))
    return chunk, message.get("more_body", False)


def gunzip(data: bytes, most: int) -> bytes:
    """Raises Refusal (413) as soon as more than ``most`` bytes come out, and Unparsable for what is not gzip."""
    parts: list[bytes] = []
    room = most
    while data:
        if len(parts) == MOST_GZIP_MEMBERS:
            raise Unparsable(f"more than {MOST_GZIP_MEMBERS} gzip members follow each other")
        member = zlib.decompressobj(GZIP)
        try:
            parts.append(member.decompress(data, room + 1))
        except zlib.error as error:
            raise Unparsable(f"the body is not gzip, though Content-Encoding says so ({error})") from error
        room -= len(parts[-1])
        if room < 0:
            raise too_large(most, "the decompressed body")
        if not member.eof:
            raise Unparsable("the gzip data end too early")
        data = member.unused_data
    return b"".join(parts)
