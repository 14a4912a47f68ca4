"""Compression of HTTP bodies, both ways, piece by piece: HTTP's own encodings and ClickHouse's frames."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import lz4.frame
import zstandard

from services.embedded.compression import compressed, next_frame
from services.embedded.server_errors import BAD_ARGUMENTS, ServerError
from services.embedded.wire import Incomplete, MalformedPacket, WireReader


@dataclass(frozen=True, slots=True)
class Encoder:
    add: Callable[[bytes], bytes]
    finish: Callable[[], bytes]


@dataclass(frozen=True, slots=True)
class Decoder:
    """`add` raises ServerError for bytes that are not of the encoding; `is_finished` tells a body that was cut off."""

    add: Callable[[bytes], bytes]
    is_finished: Callable[[], bool]


def encoder(encoding: str) -> Encoder:
    if encoding in ("gzip", "deflate"):
        deflater = zlib.compressobj(1, wbits=31 if encoding == "gzip" else 15)
        return Encoder(deflater.compress, deflater.flush)
    if encoding == "zstd":
        zstd = zstandard.ZstdCompressor(level=1).compressobj()
        return Encoder(zstd.compress, zstd.flush)
    if encoding == "lz4":
        return _lz4_encoder()
    return Encoder(lambda piece: piece, lambda: b"")


def _lz4_encoder() -> Encoder:
    frame = lz4.frame.LZ4FrameCompressor()
    started = False

    def add(piece: bytes) -> bytes:
        nonlocal started
        begin, started = (b"" if started else bytes(frame.begin())), True
        return begin + bytes(frame.compress(piece))

    def finish() -> bytes:
        return (b"" if started else bytes(frame.begin())) + bytes(frame.flush())

    return Encoder(add, finish)


def in_clickhouse_frames(following: Encoder) -> Encoder:
    """For `compress=1`: every piece in ClickHouse's frames, then the HTTP encoding."""
    return Encoder(lambda piece: following.add(compressed(piece)) if piece else b"", following.finish)


def decoder(encoding: str) -> Decoder:
    """Raises ServerError for an encoding that is not known. A body may be several compressed streams, one after another."""
    match encoding.strip().lower():
        case "" | "identity":
            return Decoder(lambda piece: piece, lambda: True)
        case "gzip" | "x-gzip":
            return _concatenated(lambda: zlib.decompressobj(31))
        case "deflate":
            return _concatenated(lambda: zlib.decompressobj(15))
        case "zstd":
            return _concatenated(lambda: zstandard.ZstdDecompressor().decompressobj())
        case "lz4":
            return _concatenated(lz4.frame.LZ4FrameDecompressor)
    raise ServerError(BAD_ARGUMENTS, f"Unknown Content-Encoding: {encoding}. (UNKNOWN_COMPRESSION_METHOD)")


class _OneStream(Protocol):
    """What zlib's, zstandard's and lz4's decompressors have in common."""

    eof: bool
    unused_data: bytes | None

    def decompress(self, data: bytes, /) -> bytes: ...


def _concatenated(new: Callable[[], Any]) -> Decoder:
    stream: _OneStream = new()
    is_between = True

    def add(piece: bytes) -> bytes:
        nonlocal stream, is_between
        content = []
        while piece:
            if stream.eof:
                stream = new()
            content.append(stream.decompress(piece))
            is_between = stream.eof
            piece = (stream.unused_data or b"") if stream.eof else b""
        return b"".join(content)

    return Decoder(_guarded(add), lambda: is_between)


def clickhouse_frames_decoder() -> Decoder:
    """For `decompress=1`."""
    reader = WireReader()

    def add(piece: bytes) -> bytes:
        reader.feed(piece)
        content = []
        try:
            while not reader.is_empty:
                content.append(next_frame(reader))
        except Incomplete:
            pass
        reader.forget_consumed()
        return b"".join(content)

    return Decoder(_guarded(add), lambda: reader.is_empty)


def _guarded(decompress: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    def add(piece: bytes) -> bytes:
        try:
            return bytes(decompress(piece)) if piece else b""
        except (zlib.error, zstandard.ZstdError, RuntimeError, EOFError, MalformedPacket) as broken:
            raise ServerError(BAD_ARGUMENTS, f"The body cannot be decompressed: {broken}. (BAD_ARGUMENTS)") from broken

    return add
