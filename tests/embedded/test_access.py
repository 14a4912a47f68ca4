"""What is refused stays refused however it is written, and what is allowed is not refused for its words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.embedded.access import AccessRules
from services.embedded.server_errors import ServerError
from services.embedded.statements import parse_statement

RULES = AccessRules(frozenset({"file", "url", "numbers", "remote", "s3", "merge", "python", "values"}))
EVERYBODY = ("default", "analyst")

REFUSED_TO_ALL = [
    "SELECT * FROM file('/etc/passwd', 'LineAsString')",
    "SELECT file('/etc/passwd')",
    "INSERT INTO FUNCTION file('x.csv') SELECT 1",
    "SELECT * FROM Python(reader)",
    "SELECT * FROM executable('script', TSV, 'a Int')",
    "SELECT * FROM eval('SELECT 1')",
    "SELECT * FROM url('file:///etc/passwd')",
    "SELECT * FROM url(concat('file', ':///etc/passwd'))",
    "SELECT * FROM url('http://example.org' || '', CSV)",
    "SELECT 1 INTO OUTFILE '/tmp/x'",
    "INSERT INTO t FROM INFILE '/tmp/x' FORMAT CSV",
    "CREATE TABLE t (a Int) ENGINE = Kafka('b', 't', 'g', 'JSON')",
    "CREATE TABLE t (a Int) ENGINE Kafka",
    "ATTACH TABLE t (a Int) ENGINE = File(CSV)",
    "CREATE DATABASE d ENGINE = Filesystem('/')",
    "CREATE TABLE t (a Int) ENGINE = URL('file:///etc/passwd', CSV)",
    "CREATE DICTIONARY d (a Int) PRIMARY KEY a SOURCE(FILE(path '/etc/passwd' format 'CSV')) LAYOUT(FLAT())",
    "CREATE DICTIONARY d (a Int) PRIMARY KEY a SOURCE(EXECUTABLE(command 'id')) LAYOUT(FLAT())",
    "SELECT 1 FORMAT Template SETTINGS format_template_row = '/etc/passwd'",
]
REFUSED_TO_ANALYSTS = [
    "INSERT INTO t VALUES (1)",
    "INSERT INTO t SELECT 1",
    "CREATE TABLE t (a Int) ENGINE = Memory",
    "CREATE TEMPORARY TABLE t (a Int)",
    "DROP TABLE t",
    "ALTER TABLE t DELETE WHERE 1",
    "TRUNCATE TABLE t",
    "OPTIMIZE TABLE t",
    "RENAME TABLE a TO b",
    "SYSTEM SHUTDOWN",
    "KILL QUERY WHERE 1",
    "GRANT ALL ON *.* TO analyst",
    "SET readonly = 0",
    "SET max_threads = 1, `readonly` = 0",
    "SELECT * FROM remote('127.0.0.1', system.one)",
    "SELECT * FROM url('http://example.org', CSV)",
    "SELECT * FROM s3('http://example.org')",
    "SELECT 1 WHERE 1 IN (SELECT * FROM remote('127.0.0.1', system.one))",
    "BACKUP DATABASE d TO Disk('d', 'b')",
]
ALLOWED_TO_ALL = [
    "SELECT 'INTO OUTFILE', 'ENGINE = Kafka', 'file(x)'",
    "SELECT file, url FROM t -- INTO OUTFILE",
    "SELECT /* file('x') */ 1",
    "SELECT * FROM numbers(10)",
    "SELECT * FROM merge('rapport', '.*')",
    'SELECT * FROM "file"',
    "WITH x AS (SELECT 1) SELECT * FROM x",
    "(SELECT 1) UNION ALL (SELECT 2)",
    "SHOW TABLES",
    "DESCRIBE TABLE t",
    "EXPLAIN SELECT 1",
    "EXISTS TABLE t",
    "USE rapport",
    "SET max_threads = 1",
]
ALLOWED_TO_OWNER = [
    "SELECT * FROM url('https://example.org/data.csv', CSV)",
    "SELECT * FROM remote('127.0.0.1', system.one)",
    "CREATE TABLE t (engine String, kafka Int) ENGINE = ReplacingMergeTree ORDER BY engine",
    "CREATE TABLE d.file (a Int) ENGINE = Memory",
    "CREATE DICTIONARY d (a Int) PRIMARY KEY a SOURCE(CLICKHOUSE(TABLE 't')) LAYOUT(FLAT())",
    "KILL QUERY WHERE query_id = 'x'",
    "SYSTEM RELOAD DICTIONARY d",
]


def _is_refused(sql: str, user: str) -> bool:
    try:
        RULES.check(parse_statement(sql), user)
    except ServerError as refused:
        return refused.code in (164, 344, 497)
    return False


@pytest.mark.parametrize("user", EVERYBODY)
@pytest.mark.parametrize("sql", REFUSED_TO_ALL)
def test_nobody_reads_files_runs_programs_or_bricks_the_directory(sql: str, user: str) -> None:
    assert _is_refused(sql, user)


@pytest.mark.parametrize("sql", REFUSED_TO_ANALYSTS)
def test_an_analyst_changes_nothing_and_reaches_no_other_machine(sql: str) -> None:
    assert _is_refused(sql, "analyst")


@pytest.mark.parametrize("user", EVERYBODY)
@pytest.mark.parametrize("sql", ALLOWED_TO_ALL)
def test_reading_is_allowed_whatever_words_a_string_or_comment_has(sql: str, user: str) -> None:
    assert not _is_refused(sql, user)


@pytest.mark.parametrize("sql", ALLOWED_TO_OWNER)
def test_the_owner_may_do_the_rest(sql: str) -> None:
    assert not _is_refused(sql, "default")


@pytest.mark.parametrize("sql", ["DROP TABLE t", "INSERT INTO t VALUES (1)", "SET max_threads = 1; SELECT 1"])
def test_a_request_that_may_only_read_holds_the_owner_to_it(sql: str) -> None:
    with pytest.raises(ServerError):
        RULES.check(parse_statement(sql), "default", read_only=True)


def test_settings_that_name_files_are_refused_beside_the_query_too() -> None:
    for name in ("format_schema", "FORMAT_TEMPLATE_RESULTSET"):
        with pytest.raises(ServerError):
            RULES.check_settings({name: "/etc/passwd"}, "default")
    RULES.check_settings({"max_threads": "1"}, "analyst")


BLANKS = st.sampled_from([" ", "\n", "\t", "/* x */", "/* a /* b */ c */", "-- x\n", "# x\n", "\u00a0", " /*'*/ "])


@st.composite
def _disguised(draw: st.DrawFn, words: list[str]) -> str:
    """The words in any case, a name quoted or escaped, with anything blank between them."""
    parts = []
    for word in words:
        is_name = word.startswith("@")
        plain = word.removeprefix("@")
        cased = "".join(draw(st.sampled_from([letter.lower(), letter.upper()])) for letter in plain)
        escaped = "".join(draw(st.sampled_from([letter, f"\\x{ord(letter):02x}"])) for letter in plain)
        quoted = draw(st.sampled_from([f"`{escaped}`", f'"{escaped}"', f"\u201c{plain}\u201d", cased]))
        parts.append(quoted if is_name else cased)
        parts.append(draw(BLANKS))
    return "".join(parts)


@given(_disguised(["SELECT", "1", "INTO", "OUTFILE", "'x'"]))
def test_into_outfile_cannot_be_disguised(sql: str) -> None:
    assert _is_refused(sql, "default")


@given(_disguised(["SELECT", "*", "FROM", "@file", "(", "'x'", ")"]))
def test_a_file_function_cannot_be_disguised(sql: str) -> None:
    assert _is_refused(sql, "default")


@given(_disguised(["CREATE", "TABLE", "t", "(", "a", "Int", ")", "ENGINE", "=", "@Kafka", "(", ")"]))
def test_the_kafka_engine_cannot_be_disguised(sql: str) -> None:
    assert _is_refused(sql, "default")
