"""ClickHouse's compressed frames: CityHash128 of the rest, method, sizes, data (LZ4, ZSTD or stored).

Source: `src/Compression/CompressedReadBufferBase.cpp`. The size in the header counts the 9 bytes of the header itself.
"""

import struct

import lz4.block
import zstandard
from clickhouse_cityhash.cityhash import CityHash128

from services.embedded.wire import Incomplete, MalformedPacket, WireReader

LZ4, ZSTD, STORED = 0x82, 0x90, 0x02
FRAME_BYTES = 1024 * 1024
MAX_FRAME_BYTES = 256 * 1024 * 1024
_HEADER = struct.Struct("<BII")
_LOW_64_BITS = (1 << 64) - 1


def compressed(raw: bytes) -> bytes:
    """`raw` as LZ4 frames of at most 1 MiB of content each; one empty frame for nothing."""
    pieces = [raw[start : start + FRAME_BYTES] for start in range(0, len(raw), FRAME_BYTES)] or [b""]
    return b"".join(_frame(piece) for piece in pieces)


def _frame(raw: bytes) -> bytes:
    data = bytes(lz4.block.compress(raw, store_size=False))
    body = _HEADER.pack(LZ4, len(data) + _HEADER.size, len(raw)) + data
    return _checksum(body) + body


def _checksum(body: bytes) -> bytes:
    value = int(CityHash128(body))
    return struct.pack("<QQ", value >> 64, value & _LOW_64_BITS)


def next_frame(reader: WireReader) -> bytes:
    """The content of the frame at the reader's position. Raises Incomplete (position unchanged) or MalformedPacket."""
    start = reader.position
    try:
        checksum = reader.take(16)
        method, size, raw_size = _HEADER.unpack(reader.take(_HEADER.size))
        if not _HEADER.size <= size <= MAX_FRAME_BYTES or raw_size > MAX_FRAME_BYTES:
            raise MalformedPacket(f"a compressed frame of {size} bytes for {raw_size}")
        data = reader.take(size - _HEADER.size)
    except Incomplete:
        reader.position = start
        raise
    if _checksum(bytes(reader.data[start + 16 : reader.position])) != checksum:
        raise MalformedPacket("a compressed frame whose checksum differs")
    return _content(method, data, raw_size)


def _content(method: int, data: bytes, raw_size: int) -> bytes:
    try:
        if method == LZ4:
            return bytes(lz4.block.decompress(data, uncompressed_size=raw_size))
        if method == ZSTD:
            return zstandard.ZstdDecompressor().decompress(data, max_output_size=raw_size)
    except (lz4.block.LZ4BlockError, zstandard.ZstdError, ValueError) as broken:
        raise MalformedPacket(f"a compressed frame that does not decompress: {broken}") from broken
    if method == STORED:
        return data
    raise MalformedPacket(f"compression method {method:#x}")


def decompressed(data: bytes) -> bytes:
    """All frames of a whole body (HTTP's `decompress=1`). Raises MalformedPacket, also when the last one is cut off."""
    reader = WireReader(bytearray(data))
    frames = []
    try:
        while not reader.is_empty:
            frames.append(next_frame(reader))
    except Incomplete:
        raise MalformedPacket("a compressed body that is cut off") from None
    return b"".join(frames)
