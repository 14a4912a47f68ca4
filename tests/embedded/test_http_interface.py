"""curl, clickhouse-connect and a BI tool's HTTP client find ClickHouse's HTTP interface."""

import datetime
import decimal
import gzip
import json
import socket
import uuid
import zlib
from collections.abc import Iterator
from typing import Any

import clickhouse_connect
import httpx
import lz4.frame
import pytest
import zstandard
from clickhouse_connect.driver.exceptions import DatabaseError, StreamFailureError
from clickhouse_connect.driver.external import ExternalData
from clickhouse_driver import Client

from services.embedded.clickhouse import ClickHouseAddress
from services.embedded.compression import compressed, next_frame
from services.embedded.wire import WireReader
from tests.embedded.waiting import until


@pytest.fixture
def http(clickhouse: ClickHouseAddress, database: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://{clickhouse.host}:{clickhouse.http_port}", params={"database": database}, timeout=10) as client:
        yield client


def _ask(http: httpx.Client, sql: str, **parameters: Any) -> str:
    answer = http.post("/", content=sql, params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.text


def test_it_says_ok(http: httpx.Client) -> None:
    for path in ("/", "/ping", "/replicas_status"):
        assert (http.get(path).status_code, http.get(path).text) == (200, "Ok.\n")


@pytest.mark.parametrize("sql", ["SELECT 1", "SELECT nope", "SELECT 1 FORMAT JSON"])
def test_whoever_has_read_an_answer_may_use_its_session_at_once(http: httpx.Client, sql: str) -> None:
    """Tables that come with a query are dropped at its end, which takes a moment."""
    names = [f"sent_{number}" for number in range(40)]
    params = {"session_id": uuid.uuid4().hex, "query": sql} | {f"{name}_structure": "n Int32" for name in names}
    answers = [http.post("/", params=params, files={name: (name, b"1\n") for name in names}).text for _ in range(3)]
    assert [answer for answer in answers if "SESSION_IS_LOCKED" in answer] == []


def test_a_query_comes_in_the_url_the_body_or_both(http: httpx.Client) -> None:
    assert http.get("/", params={"query": "SELECT 1"}).text == "1\n"
    assert _ask(http, "SELECT 2") == "2\n"
    assert _ask(http, "+ 2", query="SELECT 1") == "3\n"
    assert http.post("/", content=iter([b"SEL", b"ECT ", b"3"])).text == "3\n"


def test_the_format_is_the_querys_own_the_default_given_or_tabs(http: httpx.Client) -> None:
    assert json.loads(_ask(http, "SELECT 1 AS a FORMAT JSON"))["data"] == [{"a": 1}]
    assert _ask(http, "SELECT 1 AS a", default_format="JSONEachRow") == '{"a":1}\n'
    assert _ask(http, "SELECT 1 AS a, 'x' AS b", default_format="CSVWithNames") == '"a","b"\n1,"x"\n'
    answer = http.post("/", content="SELECT 1 AS a WHERE 0 FORMAT TSVWithNames")
    assert answer.text == "a\n"
    assert answer.headers["x-clickhouse-format"] == "TSVWithNames"
    assert answer.headers["content-type"].startswith("text/tab-separated-values")


def test_parameters_settings_and_database_come_in_the_url(http: httpx.Client) -> None:
    assert _ask(http, "SELECT {x:Int32} + 1", param_x="41") == "42\n"
    assert _ask(http, "SELECT getSetting('max_threads')", max_threads=3) == "3\n"
    assert _ask(http, "SELECT count() FROM one", database="system") == "1\n"
    answer = http.post("/", content="SELECT 1", params={"no_such_setting": 1, "query_id": "mine"})
    assert (answer.status_code, answer.headers["x-clickhouse-exception-code"]) == (404, "115")
    assert answer.headers["x-clickhouse-query-id"] == "mine"


@pytest.mark.parametrize(
    ("query", "body"),
    [
        ("", "INSERT INTO t VALUES (1, 'a'), (2, upper('b'))"),
        ("INSERT INTO t VALUES", "(1, 'a'), (2, 'B')"),
        ("INSERT INTO t FORMAT CSV", '1,a\n2,"B"\n'),
        ("INSERT INTO t (s, n) FORMAT TSV", "a\t1\nB\t2\n"),
        ("", 'INSERT INTO t FORMAT JSONEachRow\n{"n":1,"s":"a"}\n{"n":2,"s":"B"}'),
        ("", "INSERT INTO t SELECT * FROM values('n Int32, s String', (1, 'a'), (2, 'B'))"),
    ],
)
def test_rows_are_inserted_from_the_body(http: httpx.Client, query: str, body: str) -> None:
    _ask(http, "CREATE TABLE t (n Int32, s String) ENGINE = MergeTree ORDER BY n")
    answer = http.post("/", content=body, params={"query": query} if query else {})
    assert answer.status_code == 200, answer.text
    assert json.loads(answer.headers["x-clickhouse-summary"])["written_rows"] == "2"
    assert _ask(http, "SELECT * FROM t ORDER BY n") == "1\ta\n2\tB\n"


def test_a_large_insert_is_streamed_and_its_values_are_not_run(http: httpx.Client) -> None:
    _ask(http, "CREATE TABLE t (n Int32, s String) ENGINE = MergeTree ORDER BY n")
    rows = (f"({n}, '{'x' * 50}')," for n in range(40_000))
    assert http.post("/", content=(row.encode() for row in ["INSERT INTO t VALUES ", *rows, "(-1,'')"])).status_code == 200
    assert _ask(http, "SELECT count(), sum(n) FROM t") == f"40001\t{sum(range(40_000)) - 1}\n"
    late = "INSERT INTO t VALUES " + "(1, 'x')," * 40_000 + "(1, file('/etc/passwd'))"
    assert http.post("/", content=late).status_code != 200


ENCODERS = {
    "gzip": (gzip.compress, gzip.decompress),
    "deflate": (zlib.compress, zlib.decompress),
    "zstd": (zstandard.compress, lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data)),
    "lz4": (lz4.frame.compress, lz4.frame.decompress),
}


@pytest.mark.parametrize("encoding", ENCODERS)
def test_bodies_may_be_compressed_both_ways(http: httpx.Client, encoding: str) -> None:
    encode, decode = ENCODERS[encoding]
    sql = b"SELECT number FROM numbers(100000)"
    headers = {"Content-Encoding": encoding, "Accept-Encoding": encoding}
    with http.stream("POST", "/", content=encode(sql), headers=headers, params={"enable_http_compression": 1}) as answer:
        raw = b"".join(answer.iter_raw())
    assert answer.headers["content-encoding"] == encoding
    assert decode(raw).split() == [str(n).encode() for n in range(100_000)]
    two_streams = encode(sql[:10]) + encode(sql[10:])
    assert http.post("/", content=two_streams, headers={"Content-Encoding": encoding}).text.startswith("0\n1\n")
    cut_off = http.post("/", content=encode(sql * 50)[:-5], headers={"Content-Encoding": encoding})
    assert cut_off.status_code == 400


def test_clickhouses_own_frames_work_both_ways(http: httpx.Client) -> None:
    answer = http.post("/", content=compressed(b"SELECT 7"), params={"compress": 1, "decompress": 1})
    reader = WireReader(bytearray(answer.content))
    assert next_frame(reader) == b"7\n"


def test_a_session_keeps_settings_and_temporary_tables(http: httpx.Client) -> None:
    _ask(http, "CREATE TEMPORARY TABLE kept (n Int32)", session_id="one")
    _ask(http, "INSERT INTO kept VALUES (5)", session_id="one")
    _ask(http, "SET max_threads = 2", session_id="one")
    assert _ask(http, "SELECT n, getSetting('max_threads') FROM kept", session_id="one", max_block_size=10) == "5\t2\n"
    assert http.post("/", content="SELECT * FROM kept", params={"session_id": "two"}).status_code == 404
    missing = http.post("/", content="SELECT 1", params={"session_id": "three", "session_check": 1})
    assert missing.headers["x-clickhouse-exception-code"] == "372"


FAILS_LATE = "SELECT throwIf(number = 300000) FROM numbers(1000000) SETTINGS max_block_size = 10000"


def test_an_error_is_told_by_status_number_and_text(http: httpx.Client) -> None:
    for sql, status, code in (("SELECT nope", 404, "47"), ("SELEC", 400, "62"), (FAILS_LATE, 500, "395")):
        answer = http.post("/", content=sql, params={"wait_end_of_query": 1})
        assert (answer.status_code, answer.headers["x-clickhouse-exception-code"]) == (status, code)
        assert answer.text.startswith(f"Code: {code}. DB::Exception: ")


def test_an_error_in_the_middle_of_an_answer_is_told_and_breaks_it_off(http: httpx.Client) -> None:
    received: list[bytes] = []
    with http.stream("POST", "/", content=FAILS_LATE) as answer:
        pieces = answer.iter_raw()
        with pytest.raises(httpx.RemoteProtocolError):
            received.extend(pieces)
    tag = answer.headers["x-clickhouse-exception-tag"].encode()
    told = b"".join(received).partition(b"\r\n__exception__\r\n" + tag + b"\r\n")[2]
    assert told.startswith(b"Code: 395.")
    assert told.endswith(tag + b"\r\n__exception__\r\n")


def test_get_only_reads(http: httpx.Client) -> None:
    _ask(http, "CREATE TABLE t (n Int32) ENGINE = MergeTree ORDER BY n")
    for sql in ("DROP TABLE t", "INSERT INTO t VALUES (1)", "CREATE TABLE u (n Int) ENGINE = Memory"):
        assert http.get("/", params={"query": sql}).headers["x-clickhouse-exception-code"] == "164"
    assert http.get("/", params={"query": "SELECT count() FROM t"}).text == "0\n"


def test_credentials_come_in_three_ways_and_the_analyst_only_reads(http: httpx.Client) -> None:
    ways: list[dict[str, Any]] = [
        {"params": {"user": "analyst"}},
        {"headers": {"X-ClickHouse-User": "analyst"}},
        {"auth": ("analyst", "")},
    ]
    for way in ways:
        assert http.post("/", content="SELECT 1", **way).text == "1\n"
        assert http.post("/", content="CREATE TABLE x (n Int) ENGINE = Memory", **way).status_code == 403
    assert http.post("/", content="SELECT 1", auth=("default", "guess")).status_code == 403


@pytest.mark.parametrize("headers", [{"Origin": "https://example.org"}, {"Host": "rebound.example.org"}])
def test_another_sites_page_cannot_use_the_users_browser(http: httpx.Client, headers: dict[str, str]) -> None:
    assert http.post("/", content="SELECT 1", headers=headers).status_code == 403
    assert http.post("/", content="SELECT 1", headers={"Origin": str(http.base_url)}).text == "1\n"


def test_a_client_that_goes_away_takes_its_query_with_it(http: httpx.Client, client: Client) -> None:
    with pytest.raises(httpx.TimeoutException):
        http.post("/", content="SELECT count() AS http_abandoned FROM numbers(1000000000000)", timeout=0.4)
    sql = "SELECT count() FROM system.processes WHERE query LIKE '%http_abandoned%' AND query NOT LIKE '%processes%'"
    until(lambda: client.execute(sql) == [(0,)], "the query is gone", 5)


@pytest.mark.parametrize("garbage", [b"\x00" * 40, b"NONSENSE\r\n\r\n", b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n"])
def test_malformed_requests_stop_nothing(http: httpx.Client, clickhouse: ClickHouseAddress, garbage: bytes) -> None:
    with socket.create_connection((clickhouse.host, clickhouse.http_port), 2) as connection:
        connection.sendall(garbage)
    assert _ask(http, "SELECT 1") == "1\n"


@pytest.mark.parametrize("compress", [False, "lz4", "zstd", "gzip"])
def test_clickhouse_connect_reads_and_writes_every_way(clickhouse: ClickHouseAddress, database: str, compress: Any) -> None:
    # given
    client = clickhouse_connect.get_client(host=clickhouse.host, port=clickhouse.http_port, database=database, compress=compress)
    client.command(
        "CREATE OR REPLACE TABLE t (n UInt64, s String, d DateTime64(3, 'UTC'), l LowCardinality(String), "
        "o Nullable(Int32), j JSON, m Map(String, Int32), a Array(String), x Decimal(18, 2)) "
        "ENGINE = MergeTree ORDER BY n"
    )
    at = datetime.datetime(2020, 1, 1)
    rows = [[n, f"s{n}", at, "l", None, {"k": n}, {"k": 1}, ["a"], decimal.Decimal("1.50")] for n in range(3000)]
    # when
    client.insert("t", rows, column_names=["n", "s", "d", "l", "o", "j", "m", "a", "x"])
    # then
    assert [list(row) for row in client.query("SELECT * FROM t ORDER BY n").result_rows] == rows
    assert client.query("SELECT n FROM t WHERE n = {n:UInt64}", parameters={"n": 5}).result_rows == [(5,)]
    assert client.query("SELECT 1 WHERE 0").result_rows == []
    with pytest.raises(DatabaseError, match="UNKNOWN_IDENTIFIER"):
        client.query("SELECT nope")
    with pytest.raises(StreamFailureError), client.query_row_block_stream(FAILS_LATE) as blocks:
        list(blocks)
    sent = ExternalData(file_name="sent", data=b"1,2\n3,4\n", fmt="CSV", structure="a Int32, b Int32")
    assert client.query("SELECT sum(a * b) FROM sent", external_data=sent).result_rows == [(14,)]
    client.close()
