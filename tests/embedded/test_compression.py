"""ClickHouse's compressed frames are written and read, and a damaged one is noticed."""

import struct

import pytest
import zstandard
from clickhouse_cityhash.cityhash import CityHash128
from hypothesis import given
from hypothesis import strategies as st

from services.embedded.compression import compressed, next_frame
from services.embedded.http_encodings import clickhouse_frames_decoder
from services.embedded.server_errors import ServerError
from services.embedded.wire import Incomplete, MalformedPacket, WireReader


def _frame(method: int, data: bytes, raw_size: int) -> bytes:
    body = struct.pack("<BII", method, len(data) + 9, raw_size) + data
    value = CityHash128(body)
    return struct.pack("<QQ", value >> 64, value & (1 << 64) - 1) + body


@given(st.binary(max_size=5000), st.integers(1, 500))
def test_what_was_compressed_comes_back_in_whatever_pieces_it_arrives(raw: bytes, piece: int) -> None:
    decoder = clickhouse_frames_decoder()
    frames = compressed(raw)
    parts = [decoder.add(frames[start : start + piece]) for start in range(0, len(frames), piece)]
    assert b"".join(parts) == raw
    assert decoder.is_finished()


def test_more_than_a_mebibyte_takes_several_frames() -> None:
    raw = bytes(range(256)) * 10_000
    reader = WireReader(bytearray(compressed(raw)))
    assert [len(next_frame(reader)) for _ in range(3)] == [2**20, 2**20, len(raw) - 2**21]
    assert reader.is_empty


def test_zstd_and_stored_frames_are_read_too() -> None:
    raw = b"a client may choose" * 20
    frames = _frame(0x90, zstandard.compress(raw), len(raw)) + _frame(0x02, raw, len(raw))
    reader = WireReader(bytearray(frames))
    assert [next_frame(reader), next_frame(reader)] == [raw, raw]


@given(st.integers(0, 10**6), st.integers(1, 255))
def test_one_changed_byte_is_always_noticed(position: int, change: int) -> None:
    frame = bytearray(compressed(b"something that matters" * 10))
    frame[position % len(frame)] ^= change
    with pytest.raises((MalformedPacket, Incomplete)):
        next_frame(WireReader(frame))


def test_a_frame_that_does_not_hold_what_it_says_is_refused() -> None:
    for method, data in ((0x82, b"\xff\xff"), (0x90, b"not zstd"), (0x55, b"unknown")):
        with pytest.raises(MalformedPacket):
            next_frame(WireReader(bytearray(_frame(method, data, 100))))
        with pytest.raises(ServerError):
            clickhouse_frames_decoder().add(_frame(method, data, 100))
