"""The end of a block is found for every type the engine writes, however the bytes are cut on their way."""

from itertools import pairwise

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.embedded.clickhouse import ClickHouseAddress
from services.embedded.native_blocks import BLOCK_INFO, Block, BlockWalker, header_block, split_blocks
from services.embedded.native_types import UnknownType, layout_of
from services.embedded.wire import Incomplete, MalformedPacket, WireReader, text, varint

EVERY_TYPE = """
SELECT
    number AS a, toInt256(number) AS b, toFloat32(number) AS c, number % 2 = 0 AS d, repeat('x', number) AS e,
    toFixedString('ab', 3) AS f, toDate('2020-01-01') AS g, toDate32('1950-01-01') AS h, now() AS i, now64(9, 'UTC') AS j,
    toDecimal32(1, 2) AS k, toDecimal64(1, 2) AS l, toDecimal128(1, 2) AS m, toDecimal256(1, 2) AS n,
    generateUUIDv4() AS o, toIPv4('1.2.3.4') AS p, toIPv6('::1') AS q,
    CAST('x' AS Enum8('x' = 1, 'y,(' = 2)) AS r, CAST('y' AS Enum16('x' = 1, 'y' = 1000)) AS s,
    toLowCardinality(toString(number % 3)) AS t, CAST(if(number % 2 = 0, NULL, 'z') AS LowCardinality(Nullable(String))) AS u,
    if(number % 3 = 0, NULL, number) AS v, range(number % 5) AS w, arrayMap(x -> [toString(x), NULL], range(number % 3)) AS x,
    map('k', number, toString(number), 2) AS y,
    CAST((1, 'a', [toLowCardinality('q')]) AS Tuple(`o n` Int8, two String, three Array(LowCardinality(String)))) AS z,
    CAST([(1, 'n')] AS Nested(p Int8, q String)) AS aa, NULL AS ab, toIntervalDay(number) AS ac, (1.5, 2.5)::Point AS ad,
    [[(1.5, 2.5)]]::Polygon AS ae, CAST('{"a":1}' AS JSON) AS af, CAST(sum(1) OVER () AS SimpleAggregateFunction(sum, UInt64)) AS ag
FROM numbers(300)
SETTINGS max_block_size = 100, output_format_native_write_json_as_string = 1
FORMAT Native
"""


@pytest.fixture(scope="session")
def written(clickhouse: ClickHouseAddress) -> bytes:
    answer = httpx.post(f"http://{clickhouse.host}:{clickhouse.http_port}/", content=EVERY_TYPE, timeout=20)
    assert answer.status_code == 200, answer.text
    return answer.content


def test_blocks_of_every_type_are_told_apart(written: bytes) -> None:
    blocks = split_blocks(written)
    assert sum(block.rows for block in blocks) == 300
    assert b"".join(block.raw for block in blocks) == written
    assert {len(block.columns) for block in blocks} == {33}


def _walk_in_pieces(data: bytes, cuts: list[int]) -> Block:
    reader = WireReader()
    walker = BlockWalker(reader, with_info=True)
    edges = sorted({0, *(cut % len(data) for cut in cuts), len(data)})
    for start, end in pairwise(edges):
        with pytest.raises(Incomplete):
            walker.advance()
        reader.feed(data[start:end])
    return walker.advance()


@given(cuts=st.lists(st.integers(0, 10**9), max_size=12))
def test_a_block_is_whole_however_it_is_cut(written: bytes, cuts: list[int]) -> None:
    first = split_blocks(written)[0]
    walked = _walk_in_pieces(BLOCK_INFO + first.raw, cuts)
    assert walked == first


@given(st.lists(st.text(max_size=300), max_size=20), st.integers(1, 7))
def test_long_and_short_strings_are_passed_piece_by_piece(values: list[str], piece: int) -> None:
    raw = varint(1) + varint(len(values)) + text("s") + text("String") + b"".join(text(value) for value in values)
    data = BLOCK_INFO + raw
    walked = _walk_in_pieces(data, list(range(0, len(data), piece)))
    assert (walked.raw, walked.rows) == (raw, len(values))


def test_a_header_block_says_names_and_types_and_has_no_rows() -> None:
    (block,) = split_blocks(header_block([("a", "UInt8"), ("b c", "Array(String)")]))
    assert (block.columns, block.rows) == ((("a", "UInt8"), ("b c", "Array(String)")), 0)


@pytest.mark.parametrize("type_name", ["Nonsense", "Dynamic", "Variant(Int8, String)", "AggregateFunction(sum, Int8)", "Decimal()"])
def test_a_type_that_cannot_be_walked_over_is_named(type_name: str) -> None:
    with pytest.raises(UnknownType, match=type_name.partition("(")[0]):
        layout_of(type_name)


def test_sizes_beyond_reason_are_refused_rather_than_waited_for() -> None:
    too_long = varint(1) + varint(2**40) + text("n") + text("UInt64")
    for raw in (varint(10**6) + varint(1), too_long, b"\xff" * 11):
        with pytest.raises(MalformedPacket):
            BlockWalker(WireReader(bytearray(raw)), with_info=False).advance()
