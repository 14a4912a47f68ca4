"""The packets of ClickHouse's native TCP protocol, at the one revision this server speaks. Pure: bytes in, bytes out.

Source: `src/Core/Protocol.h`, `src/Server/TCPHandler.cpp`. Revision 54440 is the newest at which a query carries no
inter-server secret (from 54441) and a column no byte for its serialisation (from 54454); clients speak it as well.
"""

import struct
from dataclasses import dataclass

from services.embedded.compression import compressed
from services.embedded.native_blocks import BLOCK_INFO
from services.embedded.server_errors import ServerError
from services.embedded.wire import MalformedPacket, WireReader, text, varint

REVISION = 54440
OLDEST_REVISION = 54429
"""Older clients send settings in a binary form that depends on each setting's type."""

CLIENT_HELLO, CLIENT_QUERY, CLIENT_DATA, CLIENT_CANCEL, CLIENT_PING = 0, 1, 2, 3, 4
_HELLO, _DATA, _EXCEPTION, _PROGRESS, _PONG, _END_OF_STREAM, _PROFILE_INFO = 0, 1, 2, 3, 4, 5, 6
_TCP_INTERFACE = 1
_IMPORTANT = 1
_PARAMETER = "param_"


@dataclass(frozen=True, slots=True)
class Hello:
    client_name: str
    revision: int
    database: str
    user: str
    password: str


@dataclass(frozen=True, slots=True)
class QueryPacket:
    query_id: str
    settings: dict[str, str]
    important: frozenset[str]
    compression: bool
    sql: str

    def parameters(self) -> dict[str, str]:
        """Clients of this revision send query parameters as settings named `param_...`."""
        return {name.removeprefix(_PARAMETER): value for name, value in self.settings.items() if name.startswith(_PARAMETER)}

    def plain_settings(self) -> dict[str, str]:
        return {name: value for name, value in self.settings.items() if not name.startswith(_PARAMETER)}


def read_hello(reader: WireReader) -> Hello:
    """Raises MalformedPacket for anything else, such as an HTTP request sent to this port."""
    if reader.varint() != CLIENT_HELLO:
        raise MalformedPacket("a connection must begin with Hello")
    name, _major, _minor, revision = reader.text(), reader.varint(), reader.varint(), reader.varint()
    return Hello(name, revision, reader.text(), reader.text(), reader.text())


def hello(version: str, timezone: str, display_name: str) -> bytes:
    major, minor, patch = (int(part) for part in version.split(".")[:3])
    numbers = varint(major) + varint(minor) + varint(REVISION)
    return varint(_HELLO) + text("ClickHouse") + numbers + text(timezone) + text(display_name) + varint(patch)


def read_query(reader: WireReader) -> QueryPacket:
    """What follows the packet's number."""
    query_id = reader.text()
    _pass_client_info(reader)
    settings: dict[str, str] = {}
    important = set()
    while name := reader.text():
        flags, value = reader.varint(), reader.text()
        settings[name] = value
        if flags & _IMPORTANT:
            important.add(name)
    _stage, compression = reader.varint(), reader.varint()
    return QueryPacket(query_id, settings, frozenset(important), bool(compression), reader.text())


def _pass_client_info(reader: WireReader) -> None:
    if not reader.uint(1):
        return
    _user, _query_id, _address = reader.text(), reader.text(), reader.text()
    if reader.uint(1) == _TCP_INTERFACE:
        _os_user, _host, _client = reader.text(), reader.text(), reader.text()
        _major, _minor, _revision = reader.varint(), reader.varint(), reader.varint()
        _quota_key, _patch = reader.text(), reader.varint()
    else:
        _method, _user_agent, _quota_key = reader.uint(1), reader.text(), reader.text()


def data(raw_block: bytes, compression: bool) -> bytes:
    """A Data packet; the block as the Native format writes it, without block info."""
    block = BLOCK_INFO + raw_block
    return varint(_DATA) + text("") + (compressed(block) if compression else block)


def exception(error: ServerError) -> bytes:
    told = text("DB::Exception") + text(f"DB::Exception: {error.message}") + text("")
    return varint(_EXCEPTION) + struct.pack("<i", error.code) + told + b"\x00"


def progress(read_rows: int = 0, read_bytes: int = 0, written_rows: int = 0, written_bytes: int = 0) -> bytes:
    numbers = (read_rows, read_bytes, 0, written_rows, written_bytes)
    return varint(_PROGRESS) + b"".join(varint(number) for number in numbers)


def profile_info(rows: int, blocks: int, output_bytes: int) -> bytes:
    """No LIMIT applied, no rows before it, and (the last byte, which clients insist on) that count was calculated."""
    return varint(_PROFILE_INFO) + varint(rows) + varint(blocks) + varint(output_bytes) + b"\x00" + varint(0) + b"\x01"


def pong() -> bytes:
    return varint(_PONG)


def end_of_stream() -> bytes:
    return varint(_END_OF_STREAM)
