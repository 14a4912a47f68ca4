"""What kind of statement a text is, and where its parts are. Pure; decided from tokens, never from the raw text."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from services.embedded.insert_head import InsertHead, read_insert_head
from services.embedded.server_errors import SYNTAX_ERROR, ServerError
from services.embedded.sql_tokens import Kind, Token, tokens

READING_KEYWORDS = frozenset({"SELECT", "WITH", "FROM", "("})


@dataclass(frozen=True, slots=True)
class Statement:
    sql: str
    tokens: Sequence[Token]
    """Every token; for an INSERT whose rows come from the client only those before the rows."""
    insert: InsertHead | None = None

    @property
    def keyword(self) -> str:
        """The first keyword in capitals; `(` for a parenthesised SELECT; empty for an empty text."""
        return (self.tokens[0].keyword or self.tokens[0].text) if self.tokens else ""

    @property
    def reads(self) -> bool:
        return self.keyword in READING_KEYWORDS

    @property
    def format(self) -> str:
        """The name after a closing FORMAT, or nothing."""
        at = self._format_at()
        return self.tokens[at + 1].name if at else ""

    def without_format(self) -> str:
        """The text up to its last token, without its closing `FORMAT name`: the protocol decides the format."""
        if not self.tokens:
            return ""
        at, end = self._format_at(), self.tokens[-1].end
        if at:
            return self.sql[: self.tokens[at].start] + self.sql[self.tokens[at + 1].end : end]
        return self.sql[:end]

    def _format_at(self) -> int:
        """Where the closing FORMAT stands: last but one, or before a closing SETTINGS; 0 if there is none."""
        depth = 0
        for at in range(len(self.tokens) - 1, 1, -1):
            name, word = self.tokens[at], self.tokens[at - 1]
            depth += (name.text in ")]}") - (name.text in "([{") if name.kind is Kind.SYMBOL else 0
            if depth == 0 and word.keyword == "FORMAT" and name.kind is Kind.WORD:
                closes = at == len(self.tokens) - 1 or self.tokens[at + 1].keyword == "SETTINGS"
                return at - 1 if closes else 0
        return 0


def parse_statement(sql: str) -> Statement:
    """Reads one statement. Raises ServerError for several in one text, as ClickHouse's server does."""
    stream = tokens(sql)
    if [token.keyword for token in islice(stream, 1)] == ["INSERT"]:
        insert, head = read_insert_head(sql)
        if insert:
            return Statement(sql, head, insert)
    return Statement(sql, _only_statement(list(tokens(sql))))


def _only_statement(found: list[Token]) -> Sequence[Token]:
    while found and found[-1].text == ";":
        found.pop()
    if any(token.kind is Kind.SYMBOL and token.text == ";" for token in found):
        raise ServerError(SYNTAX_ERROR, "Syntax error (Multi-statements are not allowed). (SYNTAX_ERROR)")
    return tuple(found)
