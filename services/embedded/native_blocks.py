"""Blocks of columns in ClickHouse's Native format: finding their ends and writing their headers. Values stay bytes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from services.embedded.native_types import layout_of
from services.embedded.wire import Incomplete, MalformedPacket, WireReader, text, varint

BLOCK_INFO = b"\x01\x00\x02\xff\xff\xff\xff\x00"
"""Not an overflow row (field 1), no bucket (field 2 is -1), end (0)."""
EMPTY_BLOCK = b"\x00\x00"
MAX_COLUMNS = 10_000

Column = tuple[str, str]
"""(name, type)"""


@dataclass(frozen=True, slots=True)
class Block:
    raw: bytes
    """The block in Native format, without block info."""
    columns: tuple[Column, ...]
    rows: int


class BlockWalker:
    """Walks one block as its bytes arrive: `advance` may be called again and again until it does not raise Incomplete.

    Columns already passed are not passed again, so a large block costs one walk however it is cut.
    Raises UnknownType or MalformedPacket for what it cannot walk over.
    """

    def __init__(self, reader: WireReader, with_info: bool) -> None:
        self._reader = reader
        self._info_passed = not with_info
        self._start = reader.position
        self._size: tuple[int, int] | None = None
        self._columns: list[Column] = []

    def advance(self) -> Block:
        if not self._info_passed:
            self._retryable(self._pass_info)
            self._info_passed = True
            self._start = self._reader.position
        if self._size is None:
            self._retryable(self._read_size)
        assert self._size is not None
        while len(self._columns) < self._size[0]:
            self._retryable(self._pass_column)
        raw = bytes(self._reader.data[self._start : self._reader.position])
        return Block(raw, tuple(self._columns), self._size[1])

    def _retryable(self, step: Callable[[], None]) -> None:
        before = self._reader.position
        try:
            step()
        except Incomplete:
            self._reader.position = before
            raise

    def _pass_info(self) -> None:
        while field := self._reader.varint():
            if field > 2:
                raise MalformedPacket(f"block info field {field}")
            self._reader.skip(1 if field == 1 else 4)

    def _read_size(self) -> None:
        columns, rows = self._reader.varint(), self._reader.varint()
        if columns > MAX_COLUMNS:
            raise MalformedPacket(f"a block of {columns} columns")
        self._size = columns, rows

    def _pass_column(self) -> None:
        assert self._size is not None
        name, type_name = self._reader.text(), self._reader.text()
        if self._size[1]:
            layout = layout_of(type_name)
            layout.skip_prefix(self._reader)
            layout.skip_values(self._reader, self._size[1])
        self._columns.append((name, type_name))


def split_blocks(data: bytes) -> list[Block]:
    """The blocks of a finished Native output. Raises UnknownType if a column cannot be walked over."""
    reader = WireReader(bytearray(data))
    blocks = []
    while not reader.is_empty:
        blocks.append(BlockWalker(reader, with_info=False).advance())
    return blocks


def header_block(columns: Sequence[Column]) -> bytes:
    """A block of no rows that tells names and types."""
    return varint(len(columns)) + b"\x00" + b"".join(text(name) + text(type_name) for name, type_name in columns)
