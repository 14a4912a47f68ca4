"""How many bytes a column takes in ClickHouse's Native format, type by type; nothing is decoded.

Uncompressed blocks carry no length, so the only way to find the end of one is to walk over its values.
"""

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import lru_cache

from services.embedded.wire import Incomplete, WireReader

_WIDTHS = {
    **dict.fromkeys(("Int8", "UInt8", "Bool", "Enum8", "Nothing"), 1),
    **dict.fromkeys(("Int16", "UInt16", "Date", "Enum16", "BFloat16"), 2),
    **dict.fromkeys(("Int32", "UInt32", "Float32", "Date32", "DateTime", "Time", "IPv4", "Decimal32"), 4),
    **dict.fromkeys(("Int64", "UInt64", "Float64", "DateTime64", "Time64", "Decimal64"), 8),
    **dict.fromkeys(("Int128", "UInt128", "UUID", "IPv6", "Decimal128"), 16),
    **dict.fromkeys(("Int256", "UInt256", "Decimal256"), 32),
}
_GEOMETRY_DEPTH = {"Point": 0, "Ring": 1, "LineString": 1, "MultiLineString": 2, "Polygon": 2, "MultiPolygon": 3}
_NAMED_ELEMENT = re.compile(r"(?:`(?:[^`\\]|\\.)*`|[A-Za-z_]\w*)\s+(.+)", re.DOTALL)
_LOW_CARDINALITY_INDEX_WIDTH = 3


class UnknownType(Exception):
    """The type's layout is not known here (JSON, Dynamic, Variant, aggregate states)."""


class Layout(ABC):
    """Moves a reader over one column's bytes; raises Incomplete when they have not all arrived."""

    def skip_prefix(self, reader: WireReader) -> None:  # noqa: B027  (most types have none)
        """What a column begins with, once, before its values."""

    @abstractmethod
    def skip_values(self, reader: WireReader, rows: int) -> None: ...


@dataclass(frozen=True, slots=True)
class FixedWidth(Layout):
    width: int

    def skip_values(self, reader: WireReader, rows: int) -> None:
        reader.skip(rows * self.width)


@dataclass(frozen=True, slots=True)
class Strings(Layout):
    def skip_values(self, reader: WireReader, rows: int) -> None:
        start = position = reader.position
        row = 0
        if reader.strings_done and reader.strings_done[0] == start:
            _, row, position = reader.strings_done
        row, position = _pass_strings(reader.data, row, rows, position)
        if row < rows or position > len(reader.data):
            reader.strings_done = (start, row, position)
            raise Incomplete
        reader.position, reader.strings_done = position, None


def _pass_strings(data: bytearray, row: int, rows: int, position: int) -> tuple[int, int]:
    """The hot loop: most strings are shorter than 128 bytes, so their length is one byte."""
    end = len(data)
    while row < rows and position < end:
        length = data[position]
        if length < 128:
            position += length + 1
        else:
            reader = WireReader(data)
            reader.position = position
            try:
                length = reader.varint()
            except Incomplete:
                break
            position = reader.position + length
        row += 1
    return row, position


@dataclass(frozen=True, slots=True)
class JsonAsText(Layout):
    """JSON columns as the engine writes them when told to write text (version 1)."""

    def skip_prefix(self, reader: WireReader) -> None:
        if reader.uint(8) != 1:
            raise UnknownType("JSON in its binary form")

    def skip_values(self, reader: WireReader, rows: int) -> None:
        Strings().skip_values(reader, rows)


@dataclass(frozen=True, slots=True)
class Nullable(Layout):
    inner: Layout

    def skip_prefix(self, reader: WireReader) -> None:
        self.inner.skip_prefix(reader)

    def skip_values(self, reader: WireReader, rows: int) -> None:
        reader.skip(rows)
        self.inner.skip_values(reader, rows)


@dataclass(frozen=True, slots=True)
class Array(Layout):
    inner: Layout

    def skip_prefix(self, reader: WireReader) -> None:
        self.inner.skip_prefix(reader)

    def skip_values(self, reader: WireReader, rows: int) -> None:
        if rows == 0:
            return
        reader.skip(8 * (rows - 1))
        self.inner.skip_values(reader, reader.uint(8))


@dataclass(frozen=True, slots=True)
class Tuple(Layout):
    elements: tuple[Layout, ...]

    def skip_prefix(self, reader: WireReader) -> None:
        for element in self.elements:
            element.skip_prefix(reader)

    def skip_values(self, reader: WireReader, rows: int) -> None:
        for element in self.elements:
            element.skip_values(reader, rows)


@dataclass(frozen=True, slots=True)
class LowCardinality(Layout):
    keys: Layout

    def skip_prefix(self, reader: WireReader) -> None:
        reader.skip(8)

    def skip_values(self, reader: WireReader, rows: int) -> None:
        if rows == 0:
            return
        flags, keys = reader.uint(8), reader.uint(8)
        self.keys.skip_values(reader, keys)
        reader.skip(8)
        reader.skip(rows << (flags & _LOW_CARDINALITY_INDEX_WIDTH))


@lru_cache(maxsize=4096)
def layout_of(type_name: str) -> Layout:
    """Raises UnknownType for a type that cannot be walked over."""
    name, _, rest = type_name.partition("(")
    arguments = _arguments(rest.strip().removesuffix(")")) if rest else []
    if name in _WIDTHS:
        return FixedWidth(_WIDTHS[name])
    try:
        return _layout_with_arguments(name.strip(), arguments)
    except (IndexError, ValueError, KeyError) as wrong:
        raise UnknownType(type_name) from wrong


def _layout_with_arguments(name: str, arguments: list[str]) -> Layout:
    match name:
        case "String":
            return Strings()
        case "JSON":
            return JsonAsText()
        case "FixedString":
            return FixedWidth(int(arguments[0]))
        case "Decimal":
            return FixedWidth(_decimal_width(int(arguments[0])))
        case "Nullable":
            return Nullable(layout_of(arguments[0]))
        case "Array":
            return Array(layout_of(arguments[0]))
        case "LowCardinality":
            keys = layout_of(arguments[0])
            return LowCardinality(keys.inner if isinstance(keys, Nullable) else keys)
        case "Tuple":
            return Tuple(tuple(_element(argument) for argument in arguments))
        case "Map" | "Nested":
            return Array(Tuple(tuple(_element(argument) for argument in arguments)))
        case "SimpleAggregateFunction":
            return layout_of(arguments[-1])
    if name.startswith("Interval"):
        return FixedWidth(8)
    return _geometry(_GEOMETRY_DEPTH[name])


def _decimal_width(precision: int) -> int:
    return next(width for limit, width in ((9, 4), (18, 8), (38, 16), (76, 32)) if precision <= limit)


def _geometry(depth: int) -> Layout:
    layout: Layout = Tuple((FixedWidth(8), FixedWidth(8)))
    for _ in range(depth):
        layout = Array(layout)
    return layout


def _element(argument: str) -> Layout:
    """A tuple's element, with or without a name before its type."""
    named = _NAMED_ELEMENT.fullmatch(argument)
    return layout_of(named.group(1) if named else argument)


def _arguments(text: str) -> list[str]:
    """Splits at the commas that stand in no parentheses and no quotes."""
    parts, depth, start = [], 0, 0
    for found in re.finditer(r"'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`|[(),]", text):
        depth += (found.group() == "(") - (found.group() == ")")
        if found.group() == "," and depth == 0:
            parts.append(text[start : found.start()].strip())
            start = found.end()
    return [*parts, text[start:].strip()]
