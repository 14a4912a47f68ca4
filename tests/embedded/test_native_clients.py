"""clickhouse-driver finds a ClickHouse server: types, inserts, settings, errors, cancel, many at once."""

import datetime
import decimal
import threading
import time
import uuid
from typing import Any

import pytest
from clickhouse_driver import Client
from clickhouse_driver.errors import ServerException

from services.embedded.clickhouse import ClickHouseAddress
from tests.embedded.conftest import Connect
from tests.embedded.waiting import until

TYPED_COLUMNS: list[tuple[str, list[Any]]] = [
    ("UInt64", [0, 2**64 - 1]),
    ("Int256", [-(2**200), 7]),
    ("Float64", [1.5, -2.25]),
    ("Bool", [True, False]),
    ("String", ["", "x" * 300]),
    ("FixedString(3)", ["abc", "xyz"]),
    ("Date", [datetime.date(2000, 1, 1), datetime.date(2100, 1, 1)]),
    ("DateTime64(3, 'UTC')", [datetime.datetime(2020, 1, 1, 1, 2, 3, 123000, datetime.UTC)] * 2),
    ("Decimal(18, 2)", [decimal.Decimal("12.34"), decimal.Decimal("-0.01")]),
    ("Decimal(76, 20)", [decimal.Decimal("1.5"), decimal.Decimal(0)]),
    ("UUID", [uuid.UUID(int=0), uuid.UUID(int=2**128 - 1)]),
    ("Enum8('a' = 1, 'b,(' = 2)", ["a", "b,("]),
    ("LowCardinality(String)", ["x", "y"]),
    ("LowCardinality(Nullable(String))", [None, "y"]),
    ("Nullable(Int32)", [None, 5]),
    ("Array(Array(Nullable(String)))", [[], [["a", None], []]]),
    ("Map(String, Array(UInt8))", [{}, {"k": [1, 2]}]),
    ("Tuple(a Int8, `b c` LowCardinality(String))", [(1, "x"), (2, "y")]),
    ("JSON", ['{"a":{"b":1}}', "{}"]),
]


@pytest.mark.parametrize("compression", [False, "lz4"])
@pytest.mark.parametrize("columnar", [False, True])
def test_every_type_goes_in_and_comes_out(connect: Connect, compression: Any, columnar: bool) -> None:
    # given
    client = connect(compression=compression)
    names = [f"c{number}" for number in range(len(TYPED_COLUMNS))]
    declared = ", ".join(f"{name} {column[0]}" for name, column in zip(names, TYPED_COLUMNS, strict=True))
    client.execute(f"CREATE TABLE typed ({declared}) ENGINE = MergeTree ORDER BY c0")
    values = [column[1] for column in TYPED_COLUMNS]
    # when
    data = values if columnar else list(zip(*values, strict=True))
    client.execute("INSERT INTO typed VALUES", data, columnar=columnar)
    # then
    read = client.execute("SELECT * FROM typed ORDER BY c0", columnar=True)
    expected = [*values[:-1], [{"a": {"b": 1}}, {}]]
    assert [list(column) for column in read] == expected


def test_an_insert_of_many_blocks_arrives_whole(connect: Connect) -> None:
    for compression in (False, "lz4"):
        client = connect(compression=compression)
        client.execute("CREATE OR REPLACE TABLE big (n UInt64, s String) ENGINE = MergeTree ORDER BY n")
        numbers = list(range(50_000))
        client.execute(
            "INSERT INTO big VALUES",
            [numbers, [str(n) * (n % 40) for n in numbers]],
            columnar=True,
            settings={"insert_block_size": 7_000},
        )
        assert client.execute("SELECT count(), sum(n), sum(length(s)) FROM big") == [
            (50_000, sum(numbers), sum(len(str(n)) * (n % 40) for n in numbers))
        ]
        assert len(client.execute("SELECT * FROM big")) == 50_000


def test_an_insert_follows_every_change_of_its_table(connect: Connect) -> None:
    # given: two clients, of whom one has inserted already
    one, other = connect(), connect()
    one.execute("CREATE TABLE default.changing (a Int64, b Int64) ENGINE = MergeTree ORDER BY a")
    one.execute("INSERT INTO default.changing (a, b) VALUES", [(1, 1)])
    # when: the other changes the table, takes it away, and makes another of its name
    other.execute("ALTER TABLE default.changing MODIFY COLUMN b String")
    one.execute("INSERT INTO default.changing (a, b) VALUES", [(2, "text")])
    changed = one.execute("SELECT b FROM default.changing ORDER BY a")
    other.execute("DROP TABLE default.changing SYNC")
    with pytest.raises(ServerException) as gone:
        one.execute("INSERT INTO default.changing (a, b) VALUES", [(3, "text")])
    other.execute("CREATE TABLE default.changing (a String, b UUID) ENGINE = MergeTree ORDER BY a")
    one.execute("INSERT INTO default.changing (a, b) VALUES", [("text", uuid.UUID(int=4))])
    # then
    assert changed == [("1",), ("text",)]
    assert gone.value.code == 60
    assert one.execute("SELECT * FROM default.changing") == [("text", uuid.UUID(int=4))]


def test_an_answer_without_rows_still_has_its_columns(client: Client) -> None:
    assert client.execute("SELECT 1 AS a, 'x' AS b WHERE 0", with_column_types=True) == ([], [("a", "UInt8"), ("b", "String")])
    assert client.execute("SHOW TABLES", with_column_types=True) == ([], [("name", "String")])


def test_settings_last_for_their_query_and_a_set_lasts_for_the_connection(client: Client) -> None:
    # given
    client.execute("SET max_threads = 3")
    # when
    within = client.execute("SELECT getSetting('max_threads')", settings={"max_threads": 7})
    # then
    assert within == [(7,)]
    assert client.execute("SELECT getSetting('max_threads'), getSetting('async_insert')") == [(3, False)]


def test_a_token_makes_a_repeated_insert_count_once(client: Client) -> None:
    client.execute("CREATE TABLE once (n Int) ENGINE = MergeTree ORDER BY n SETTINGS non_replicated_deduplication_window = 100")
    for _ in range(3):
        client.execute("INSERT INTO once VALUES", [(1,), (2,)], settings={"insert_deduplication_token": "batch-1"})
    client.execute("INSERT INTO once VALUES", [(1,), (2,)], settings={"insert_deduplication_token": "batch-2"})
    assert client.execute("SELECT count() FROM once") == [(4,)]


def test_parameters_and_tables_travel_with_a_query(client: Client) -> None:
    assert client.execute("SELECT {x:UInt8} + 1", settings={"param_x": "41"}) == [(42,)]
    assert client.execute("SELECT %(text)s", {"text": "it's"}) == [("it's",)]
    sent = [{"name": "sent", "structure": [("n", "Int32")], "data": [{"n": 1}, {"n": 2}]}]
    for _ in range(2):
        assert client.execute("SELECT sum(n) FROM sent", external_tables=sent) == [(3,)]


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("SELECT nope", 47),
        ("SELECT * FROM nope", 60),
        ("SELEC 1", 62),
        ("SELECT 1; SELECT 2", 62),
        ("SELECT throwIf(number = 90000) FROM numbers(100000) SETTINGS max_block_size = 1000", 395),
        ("SELECT 1 SETTINGS no_such_setting = 1", 115),
    ],
)
def test_an_error_has_its_number_and_the_connection_lives_on(client: Client, sql: str, code: int) -> None:
    with pytest.raises(ServerException) as failed:
        client.execute(sql)
    assert failed.value.code == code
    assert client.execute("SELECT 1") == [(1,)]


def test_a_failed_insert_leaves_nothing_and_the_connection_lives_on(client: Client) -> None:
    client.execute("CREATE TABLE checked (n Int, CONSTRAINT small CHECK n < 10) ENGINE = MergeTree ORDER BY n")
    with pytest.raises(ServerException) as failed:
        client.execute("INSERT INTO checked VALUES", [(1,), (99,)])
    assert failed.value.code == 469
    assert client.execute("SELECT count() FROM checked") == [(0,)]


def test_an_insert_whose_materialized_view_fails_is_not_acknowledged(client: Client) -> None:
    client.execute("CREATE TABLE source (n Int32) ENGINE = MergeTree ORDER BY n")
    client.execute("CREATE TABLE target (n Int32) ENGINE = MergeTree ORDER BY n")
    client.execute("CREATE MATERIALIZED VIEW guard TO target AS SELECT toInt32(n + throwIf(n = 5)) AS n FROM source")
    with pytest.raises(ServerException) as failed:
        client.execute("INSERT INTO source VALUES", [(5,)])
    assert failed.value.code == 395
    client.execute("INSERT INTO source VALUES", [(4,)])
    assert client.execute("SELECT n FROM target") == [(4,)]


def test_only_the_two_users_exist_and_the_analyst_reads(connect: Connect, client: Client) -> None:
    # given
    client.execute("CREATE TABLE facts (n Int) ENGINE = MergeTree ORDER BY n")
    client.execute("INSERT INTO facts VALUES", [(1,)])
    analyst = connect(user="analyst")
    # then
    assert analyst.execute("SELECT n FROM facts", settings={"max_threads": 1}) == [(1,)]
    for sql in ("INSERT INTO facts VALUES (2)", "DROP TABLE facts", "SET readonly = 0", "KILL QUERY WHERE 1"):
        with pytest.raises(ServerException):
            analyst.execute(sql)
    with pytest.raises(ServerException):
        analyst.execute("INSERT INTO facts VALUES", [(2,)])
    assert client.execute("SELECT count() FROM facts") == [(1,)]
    for options in ({"user": "root"}, {"password": "guess"}):
        with pytest.raises(ServerException) as refused:
            connect(**options).execute("SELECT 1")
        assert refused.value.code == 516


def test_anybody_may_ask_for_a_session_that_only_reads(connect: Connect, client: Client) -> None:
    # given
    client.execute("CREATE TABLE facts (n Int) ENGINE = MergeTree ORDER BY n")
    careful = connect(settings={"readonly": 2})
    # then: as often as it likes
    for _ in range(2):
        assert careful.execute("SELECT count() FROM facts") == [(0,)]
    for sql in ("INSERT INTO facts VALUES (2)", "DROP TABLE facts", "SET readonly = 0"):
        with pytest.raises(ServerException) as refused:
            careful.execute(sql)
        assert refused.value.code == 164
    # and: it binds nobody else
    client.execute("INSERT INTO facts VALUES", [(1,)])


def test_files_of_this_machine_cannot_be_read_as_tables(client: Client) -> None:
    for sql in ("SELECT * FROM `/etc/passwd`", "SELECT * FROM default.`/etc/passwd`", "SELECT * FROM '/etc/passwd'"):
        with pytest.raises(ServerException) as refused:
            client.execute(sql)
        assert refused.value.code in (60, 81)


def _running(client: Client, what: str) -> int:
    sql = "SELECT count() FROM system.processes WHERE query LIKE %(what)s AND query NOT LIKE '%%system.processes%%'"
    return int(client.execute(sql, {"what": f"%{what}%"})[0][0])


def test_cancel_stops_the_query_in_the_engine(connect: Connect, client: Client) -> None:
    # given
    reader = connect()
    rows = reader.execute_iter("SELECT number, sleepEachRow(0.01) AS cancelled_one FROM numbers(100000) SETTINGS max_block_size = 5")
    next(rows)
    # when
    reader.cancel()
    # then
    until(lambda: _running(client, "cancelled_one") == 0, "the query is gone", 5)
    reader.disconnect()
    assert reader.execute("SELECT 1") == [(1,)]


def test_a_client_that_goes_away_takes_its_query_with_it(connect: Connect, client: Client) -> None:
    # given
    leaving = connect(send_receive_timeout=0.5)
    # when
    with pytest.raises(TimeoutError):
        leaving.execute("SELECT count() AS abandoned_one FROM numbers(1000000000000)")
    leaving.disconnect()
    # then
    until(lambda: _running(client, "abandoned_one") == 0, "the query is gone", 5)


def test_the_owner_kills_a_query_by_the_id_its_client_gave(connect: Connect, client: Client) -> None:
    # given
    failures: list[ServerException] = []

    def run() -> None:
        try:
            connect().execute("SELECT count() AS killed_one FROM numbers(1000000000000)", query_id="my-query")
        except ServerException as failed:
            failures.append(failed)

    thread = threading.Thread(target=run)
    thread.start()
    until(lambda: _running(client, "killed_one") == 1, "the query runs")
    # when
    client.execute("KILL QUERY WHERE query_id = 'my-query' ASYNC")
    thread.join(10)
    # then
    assert [failed.code for failed in failures] == [394]


def test_many_connections_are_served_at_once(clickhouse: ClickHouseAddress) -> None:
    # given
    clients = [Client(clickhouse.host, port=clickhouse.tcp_port) for _ in range(150)]
    for number, client in enumerate(clients):
        assert client.execute(f"SELECT {number}") == [(number,)]
    # when twenty of them wait in the engine at the same time
    results: list[Any] = []
    sleepers = [
        threading.Thread(target=lambda client=client: results.append(client.execute("SELECT sleep(0.5)"))) for client in clients[:20]
    ]
    started = time.monotonic()
    for sleeper in sleepers:
        sleeper.start()
    assert clients[-1].execute("SELECT 'quick'") == [("quick",)]
    for sleeper in sleepers:
        sleeper.join()
    # then
    assert len(results) == 20
    assert time.monotonic() - started < 20 * 0.5
    for client in clients:
        client.disconnect()


def test_a_query_works_on_every_core(client: Client) -> None:
    pipeline = client.execute("EXPLAIN PIPELINE SELECT sum(number) FROM numbers_mt(100000000) SETTINGS max_threads = 2")
    assert any("AggregatingTransform × 2" in line for (line,) in pipeline), pipeline
