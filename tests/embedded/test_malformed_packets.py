"""Whatever bytes arrive on the native port, the server answers the next client."""

import socket
import struct

import pytest
from clickhouse_driver import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.embedded.clickhouse import ClickHouseAddress
from services.embedded.compression import compressed
from services.embedded.native_blocks import BLOCK_INFO
from services.embedded.wire import text, varint

HELLO = varint(0) + text("test") + varint(1) + varint(1) + varint(54440) + text("") + text("default") + text("")
CLIENT_INFO = b"\x01" + text("") * 3 + b"\x01" + text("") * 3 + varint(1) * 3 + text("") + varint(1)
EMPTY = varint(2) + text("") + BLOCK_INFO + b"\x00\x00"


def _query(sql: str, compression: bool = False) -> bytes:
    return varint(1) + text("") + CLIENT_INFO + text("") + varint(2) + varint(int(compression)) + text(sql)


def _send(address: ClickHouseAddress, *packets: bytes, leaves: bool = True) -> bytes:
    """What the server answers until it closes the connection, or has nothing more to say for a moment.

    A client that `leaves` closes its half once it has sent everything.
    """
    with socket.create_connection((address.host, address.tcp_port), 2) as connection:
        connection.settimeout(0.3)
        received = b""
        try:
            for packet in packets:
                connection.sendall(packet)
            if leaves:
                connection.shutdown(socket.SHUT_WR)
            while piece := connection.recv(65536):
                received += piece
        except OSError:
            return received
        return received


def _answers(address: ClickHouseAddress) -> bool:
    with Client(address.host, port=address.tcp_port) as client:
        return bool(client.execute("SELECT 1") == [(1,)])


def test_a_hand_made_query_is_answered(clickhouse: ClickHouseAddress) -> None:
    assert b"rapport" in _send(clickhouse, HELLO, _query("SELECT 'hand-made'"), EMPTY, leaves=False)


@pytest.mark.parametrize(
    "packets",
    [
        (b"GET / HTTP/1.1\r\n\r\n",),
        (b"\x00",),
        (b"\xff" * 64,),
        (varint(0) + varint(2**60),),
        (HELLO, b"\x63"),
        (HELLO, varint(1) + varint(2**50)),
        (HELLO, _query("SELECT 1"), varint(2) + text("") + BLOCK_INFO + varint(2**40) + varint(1)),
        (HELLO, _query("SELECT 1"), varint(2) + text("") + BLOCK_INFO + varint(1) + varint(2**62) + text("n") + text("UInt64")),
        (HELLO, _query("SELECT 1"), varint(2) + text("") + BLOCK_INFO + varint(1) + varint(1) + text("n") + text("Nonsense(")),
        (HELLO, _query("SELECT 1", True), varint(2) + text("") + b"\x00" * 16 + b"\x82" + struct.pack("<II", 30, 10) + b"z" * 21),
        (HELLO, _query("SELECT 1", True), varint(2) + text("") + b"\x00" * 16 + b"\x82" + struct.pack("<II", 2**31, 10)),
        (HELLO, _query("SELECT 1", True), varint(2) + text("") + compressed(b"\x07nonsense")),
        (HELLO, _query("SELECT 1"), varint(4)),
    ],
)
def test_nonsense_closes_its_own_connection_only(clickhouse: ClickHouseAddress, packets: tuple[bytes, ...]) -> None:
    _send(clickhouse, *packets)
    assert _answers(clickhouse)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.one_of(
        st.binary(max_size=200),
        st.binary(max_size=200).map(lambda tail: HELLO + tail),
        st.binary(max_size=200).map(lambda tail: HELLO + _query("SELECT 1") + tail),
        st.tuples(st.integers(0, 200), st.binary(min_size=1, max_size=4)).map(lambda change: _changed(*change)),
    )
)
def test_random_bytes_never_stop_the_server(clickhouse: ClickHouseAddress, sent: bytes) -> None:
    with socket.create_connection((clickhouse.host, clickhouse.tcp_port), 2) as connection:
        connection.sendall(sent)
    assert _answers(clickhouse)


def _changed(position: int, replacement: bytes) -> bytes:
    """A sound conversation with a few bytes replaced."""
    sound = HELLO + _query("SELECT number FROM numbers(10)") + EMPTY + _query("SELECT 2") + EMPTY
    at = position % len(sound)
    return sound[:at] + replacement + sound[at + len(replacement) :]


def test_a_client_that_dies_in_the_middle_of_an_insert_leaves_nothing(clickhouse: ClickHouseAddress, database: str) -> None:
    with Client(clickhouse.host, port=clickhouse.tcp_port, database=database) as client:
        client.execute("CREATE TABLE half (n UInt8) ENGINE = MergeTree ORDER BY n")
        block = varint(2) + text("") + BLOCK_INFO + varint(1) + varint(3) + text("n") + text("UInt8") + b"\x01\x02\x03"
        _send(clickhouse, HELLO, _query(f"INSERT INTO {database}.half VALUES") + EMPTY, block, block[:-2])
        assert client.execute("SELECT count() FROM half") == [(0,)]
        _send(clickhouse, HELLO, _query(f"INSERT INTO {database}.half VALUES") + EMPTY, block, EMPTY, leaves=False)
        assert client.execute("SELECT count() FROM half") == [(3,)]
