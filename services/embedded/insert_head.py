"""Takes apart an INSERT whose rows come from the client: target, columns, settings, format, where the rows begin."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.embedded.sql_tokens import Kind, Token, tokens

_ENDS_HEAD = frozenset({"VALUES", "FORMAT", "SELECT", "WITH", "FROM", "WATCH"})
_LONGEST_HEAD = 20_000


@dataclass(frozen=True, slots=True)
class InsertHead:
    target: str
    """The table, or `FUNCTION name(...)`, as written."""
    columns: str
    """The column list with its parentheses, or nothing."""
    settings: str
    """`SETTINGS ...`, or nothing."""
    format: str
    """The name after FORMAT; `Values` after VALUES."""
    data_start: int
    """Where inline rows begin in the text."""

    @staticmethod
    def into(table: str) -> "InsertHead":
        """An INSERT of all columns into a table, its name quoted."""
        return InsertHead(table, "", "", "", 0)


def read_insert_head(sql: str) -> tuple[InsertHead | None, Sequence[Token]]:
    """None when the rows come from a SELECT or a file, or the text is no INSERT the engine would take."""
    head = _tokens_before_rows(sql)
    if not head or head[-1].keyword not in ("VALUES", "FORMAT"):
        return None, head
    last = head[-1]
    named = next(tokens(sql[last.end : last.end + 200]), None) if last.keyword == "FORMAT" else None
    if last.keyword == "FORMAT" and (named is None or named.kind is not Kind.WORD):
        return None, head
    at = 1 + (head[1].keyword == "INTO") + (head[2].keyword == "TABLE")
    target_end = _end_of_target(head, at)
    columns_end = _end_of_parentheses(head, target_end)
    insert = InsertHead(
        target=sql[head[at].start : head[target_end - 1].end],
        columns=sql[head[target_end].start : head[columns_end - 1].end] if columns_end > target_end else "",
        settings=sql[head[columns_end].start : last.start].strip(),
        format=named.text if named else "Values",
        data_start=last.end + (named.end if named else 0),
    )
    return insert, head


def _tokens_before_rows(sql: str) -> Sequence[Token]:
    head: list[Token] = []
    depth = 0
    for token in tokens(sql):
        head.append(token)
        depth += _nesting(token)
        ends = depth == 0 and len(head) > 3 and token.keyword in _ENDS_HEAD and head[-2].text != "."
        if ends or len(head) > _LONGEST_HEAD:
            break
    return head


def _nesting(token: Token) -> int:
    if token.kind is not Kind.SYMBOL:
        return 0
    return (token.text in "([{") - (token.text in ")]}")


def _end_of_target(head: Sequence[Token], at: int) -> int:
    if head[at].keyword == "FUNCTION":
        return _end_of_parentheses(head, at + 2)
    end = at + 1
    while end + 2 < len(head) and head[end].text == ".":
        end += 2
    return end


def _end_of_parentheses(head: Sequence[Token], at: int) -> int:
    """The index after the parenthesis that closes the one at `at`; `at` itself if none opens there."""
    depth = 0
    for position in range(at, len(head)):
        depth += _nesting(head[position])
        if depth == 0:
            return position + 1 if position > at else at
    return at
