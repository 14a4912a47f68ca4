"""Splits SQL into tokens as ClickHouse's own lexer does, so that nothing can be hidden from the access rules.

Follows `src/Parsers/Lexer.cpp`: nested comments, `#` comments, heredocs, escapes, curly quotes. Whatever it does not
know becomes a one-character SYMBOL; the engine then judges it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from services.embedded.server_errors import SYNTAX_ERROR, ServerError


class Kind(Enum):
    WORD = "word"
    QUOTED_NAME = "quoted name"
    STRING = "string"
    NUMBER = "number"
    SYMBOL = "symbol"


@dataclass(frozen=True, slots=True)
class Token:
    kind: Kind
    text: str
    start: int
    end: int

    @property
    def keyword(self) -> str:
        """The word in capitals; empty for anything that cannot be a keyword (a quoted name, a string)."""
        return self.text.upper() if self.kind is Kind.WORD else ""

    @property
    def name(self) -> str:
        """The identifier this token spells, quotes and escapes removed; empty if it cannot be one."""
        if self.kind is Kind.WORD:
            return self.text
        return _unquoted(self.text) if self.kind is Kind.QUOTED_NAME else ""

    @property
    def value(self) -> str:
        """What a string literal says; empty for other tokens."""
        return _unquoted(self.text) if self.kind is Kind.STRING else ""


_SPACE = re.compile(r"[\s\ufeff\u180e\u200b-\u200d\u2060]+")
_LINE_COMMENT = re.compile(r"(?:--|#[ !])[^\n]*")
_COMMENT_EDGE = re.compile(r"/\*|\*/")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*")
_NUMBER = re.compile(r"0[xX][0-9a-fA-F_]+|0[bB][01_]+|(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_HEREDOC = re.compile(r"\$(\w*)\$.*?\$\1\$", re.DOTALL)
_QUOTED = {quote: re.compile(rf"{quote}(?:[^{quote}\\]|\\.|{quote}{quote})*{quote}", re.DOTALL) for quote in ("'", "`", '"')}
_CURLY = {"\u2018": re.compile("\u2018[^\u2019]*\u2019"), "\u201c": re.compile("\u201c[^\u201d]*\u201d")}
_KIND_OF_QUOTE = {"'": Kind.STRING, "\u2018": Kind.STRING, "`": Kind.QUOTED_NAME, '"': Kind.QUOTED_NAME}
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|(.))", re.DOTALL)
_ESCAPED = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "0": "\0", "a": "\a", "v": "\v"}


def tokens(sql: str) -> Iterator[Token]:
    """Yields the tokens without spaces and comments, lazily: the data after an INSERT's FORMAT is never looked at.

    Raises ServerError(SYNTAX_ERROR) where a comment, string or quoted name does not end.
    """
    position = 0
    while (position := _skip_blank(sql, position)) < len(sql):
        token = _token_at(sql, position)
        yield token
        position = token.end


def _skip_blank(sql: str, position: int) -> int:
    while position < len(sql):
        found = _SPACE.match(sql, position) or _LINE_COMMENT.match(sql, position)
        if found:
            position = found.end()
        elif sql.startswith("/*", position):
            position = _end_of_comment(sql, position)
        else:
            return position
    return position


def _end_of_comment(sql: str, start: int) -> int:
    depth = 0
    for edge in _COMMENT_EDGE.finditer(sql, start):
        depth += 1 if edge.group() == "/*" else -1
        if depth == 0:
            return edge.end()
    raise ServerError(SYNTAX_ERROR, "Multiline comment is not closed. (SYNTAX_ERROR)")


def _token_at(sql: str, start: int) -> Token:
    first = sql[start]
    if first in _QUOTED or first in _CURLY:
        return _quoted_token(sql, start, first)
    for kind, pattern in ((Kind.WORD, _WORD), (Kind.NUMBER, _NUMBER), (Kind.STRING, _HEREDOC)):
        found = pattern.match(sql, start)
        if found:
            return Token(kind, found.group(), start, found.end())
    return Token(Kind.SYMBOL, first, start, start + 1)


def _quoted_token(sql: str, start: int, quote: str) -> Token:
    pattern = _QUOTED.get(quote) or _CURLY[quote]
    found = pattern.match(sql, start)
    if not found:
        raise ServerError(SYNTAX_ERROR, f"Quoted text that begins at position {start + 1} does not end. (SYNTAX_ERROR)")
    return Token(_KIND_OF_QUOTE.get(quote, Kind.QUOTED_NAME), found.group(), start, found.end())


def _unquoted(text: str) -> str:
    heredoc = _HEREDOC.fullmatch(text)
    if heredoc:
        return text[len(heredoc.group(1)) + 2 : -len(heredoc.group(1)) - 2]
    quote, inside = text[0], text[1:-1]
    if quote not in _QUOTED:
        return inside
    parts = inside.split(quote * 2)
    return quote.join(_ESCAPE.sub(lambda found: _unescaped(found.group(1), found.group(2)), part) for part in parts)


def _unescaped(hexadecimal: str | None, character: str | None) -> str:
    if hexadecimal:
        return chr(int(hexadecimal, 16))
    return _ESCAPED.get(character or "", character or "")


def quoted(value: str) -> str:
    """A string literal."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def quoted_name(name: str) -> str:
    """An identifier, whatever characters it has."""
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"
