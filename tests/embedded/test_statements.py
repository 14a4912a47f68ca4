"""A statement's kind, its format and the parts of an INSERT are found wherever spaces, comments and quotes stand."""

import pytest

from services.embedded.server_errors import ServerError
from services.embedded.statements import parse_statement


@pytest.mark.parametrize(
    ("sql", "keyword", "output_format", "without_format"),
    [
        ("/* c */ select 1", "SELECT", "", "/* c */ select 1"),
        ("SELECT 1 FORMAT JSON;", "SELECT", "JSON", "SELECT 1 "),
        ("SELECT 1 FORMAT JSON SETTINGS max_threads = 1", "SELECT", "JSON", "SELECT 1  SETTINGS max_threads = 1"),
        ("SELECT format FROM t", "SELECT", "", "SELECT format FROM t"),
        ("SELECT 'x FORMAT JSON'", "SELECT", "", "SELECT 'x FORMAT JSON'"),
        ("(SELECT 1)", "(", "", "(SELECT 1)"),
        ("SHOW TABLES -- end", "SHOW", "", "SHOW TABLES"),
        ("  ", "", "", ""),
    ],
)
def test_a_closing_format_is_found(sql: str, keyword: str, output_format: str, without_format: str) -> None:
    statement = parse_statement(sql)
    assert (statement.keyword, statement.format, statement.without_format()) == (keyword, output_format, without_format)


@pytest.mark.parametrize(
    ("sql", "target", "columns", "settings", "rows_format", "rows"),
    [
        ("INSERT INTO t VALUES", "t", "", "", "Values", ""),
        ("insert into a.`b c` (x, y) values (1, 2)", "a.`b c`", "(x, y)", "", "Values", " (1, 2)"),
        ("INSERT INTO TABLE t FORMAT CSV\n1,2", "t", "", "", "CSV", "\n1,2"),
        ("INSERT/**/INTO t(a)SETTINGS async_insert=0 FORMAT JSONEachRow", "t", "(a)", "SETTINGS async_insert=0", "JSONEachRow", ""),
        ("INSERT INTO FUNCTION remote('h', d, t) (a) VALUES", "FUNCTION remote('h', d, t)", "(a)", "", "Values", ""),
        ("INSERT INTO t (* EXCEPT(b)) VALUES", "t", "(* EXCEPT(b))", "", "Values", ""),
        ("INSERT INTO t (values, format) FORMAT TSV x'y\"z", "t", "(values, format)", "", "TSV", " x'y\"z"),
    ],
)
def test_an_insert_is_taken_apart(sql: str, target: str, columns: str, settings: str, rows_format: str, rows: str) -> None:
    insert = parse_statement(sql).insert
    assert insert is not None
    assert (insert.target, insert.columns, insert.settings) == (target, columns, settings)
    assert (insert.format, sql[insert.data_start :]) == (rows_format, rows)


@pytest.mark.parametrize("sql", ["INSERT INTO t SELECT 1", "INSERT INTO t (a) WITH 1 AS x SELECT x", "INSERT INTO t", "INSERT"])
def test_an_insert_that_brings_its_own_rows_is_run_as_it_is(sql: str) -> None:
    assert parse_statement(sql).insert is None


@pytest.mark.parametrize("sql", ["SELECT 1; DROP TABLE t", "SELECT 1;;SELECT 2", "INSERT INTO t SELECT 1; DROP TABLE t"])
def test_two_statements_in_one_text_are_refused(sql: str) -> None:
    with pytest.raises(ServerError, match="Multi-statements"):
        parse_statement(sql)


@pytest.mark.parametrize("sql", ["SELECT ';'", "SELECT 1;", "SELECT 1 /* ; */;;"])
def test_a_semicolon_in_a_string_or_at_the_end_is_no_second_statement(sql: str) -> None:
    assert parse_statement(sql).keyword == "SELECT"
