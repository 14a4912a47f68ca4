"""SQL is split as ClickHouse splits it: nothing in comments, strings or quotes is taken for a word, and no word is missed."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.embedded.server_errors import ServerError
from services.embedded.sql_tokens import Kind, quoted, quoted_name, tokens


def _texts(sql: str) -> list[str]:
    return [token.text for token in tokens(sql)]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT 1 -- two\n+ 3", ["SELECT", "1", "+", "3"]),
        ("SELECT 1 # two\n+ 3", ["SELECT", "1", "+", "3"]),
        ("#!shebang\nSELECT/* a /* nested */ one */1", ["SELECT", "1"]),
        ("SELECT 'it''s', 'a\\'b', \"q\"\"x\", `b``c`", ["SELECT", "'it''s'", ",", "'a\\'b'", ",", '"q""x"', ",", "`b``c`"]),
        ("SELECT $tag$ -- no /* comment $tag$", ["SELECT", "$tag$ -- no /* comment $tag$"]),
        ("SELECT \u2018curly\u2019, \u201cname\u201d", ["SELECT", "\u2018curly\u2019", ",", "\u201cname\u201d"]),
        ("a\u00a0b\u3000c\x0bd", ["a", "b", "c", "d"]),
        ("0x1F 1e5 1_000 .5 a.1", ["0x1F", "1e5", "1_000", ".5", "a", ".1"]),
        ("  -- nothing\n/* at all */ ", []),
    ],
)
def test_comments_and_spaces_vanish_and_quoted_text_stays_whole(sql: str, expected: list[str]) -> None:
    assert _texts(sql) == expected


@pytest.mark.parametrize("sql", ["SELECT 'open", "SELECT /* open /* twice */", 'SELECT "open', "SELECT `open", "\u2018x"])
def test_what_does_not_end_is_refused(sql: str) -> None:
    with pytest.raises(ServerError) as refused:
        _texts(sql)
    assert refused.value.code == 62


def test_a_quoted_names_escapes_are_undone() -> None:
    names = [token.name for token in tokens('"fi\\x6ce" `fi\\le` "a""b" file \'file\'')]
    assert names == ["file", "file", 'a"b', "file", ""]


@given(st.text())
def test_every_string_literal_says_what_it_was_made_of(value: str) -> None:
    (token,) = tokens(quoted(value))
    assert token.kind is Kind.STRING
    assert token.value == value


@given(st.text(min_size=1))
def test_every_name_can_be_quoted(name: str) -> None:
    (token,) = tokens(quoted_name(name))
    assert token.name == name


@given(st.text(alphabet="ab'\"`\\/*-#\n $\u2018\u2019;()", max_size=40))
def test_tokens_never_overlap_and_never_hang(sql: str) -> None:
    position = 0
    with contextlib.suppress(ServerError):
        for token in tokens(sql):
            assert position <= token.start < token.end <= len(sql)
            assert sql[token.start : token.end] == token.text
            position = token.end
