"""What is refused, and to whom. Pure: decided from tokens, so comments, case, quotes and escapes hide nothing.

The engine has no users of its own that could be limited, and it reads local files and runs scripts when asked: on a
port without a password that must not be.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from services.embedded.server_errors import ACCESS_DENIED, READONLY, SUPPORT_IS_DISABLED, ServerError
from services.embedded.sql_tokens import Kind, Token
from services.embedded.statements import READING_KEYWORDS, Statement

OWNER = "default"
ANALYST = "analyst"

REFUSED_TO_ALL = frozenset(
    {
        "python",
        "executable",
        "eval",
        "file",
        "filecluster",
        "filesystem",
        "sqlite",
        "arrowstream",
        "iceberglocal",
        "iceberglocalcluster",
        "deltalakelocal",
        "paimonlocal",
        "hudi",
        "iceberg",
        "deltalake",
        "paimon",
    }
)
"""Functions and table engines that run code, run text as SQL, or read and write files outside the data directory."""

REFUSED_ENGINES = REFUSED_TO_ALL | frozenset({"executablepool", "kafka", "filelog", "rabbitmq", "nats", "queryrunner", "overlay"})
"""`ENGINE = Kafka` leaves a data directory that the engine cannot open again; the others run code or read files."""

WEB_ONLY = frozenset({"url", "urlcluster"})
"""The engine's url() also opens file: addresses, so its address must be written out and be a web address."""

FILE_SETTINGS = ("format_schema", "format_template_")
"""Settings with these beginnings name files, which the engine would show to whoever asks."""

FOR_READING = frozenset(
    {
        "numbers",
        "numbers_mt",
        "zeros",
        "zeros_mt",
        "primes",
        "generateseries",
        "generate_series",
        "generaterandom",
        "values",
        "sqlstandardvalues",
        "null",
        "view",
        "viewifpermitted",
        "viewexplain",
        "merge",
        "format",
        "dictionary",
        "loop",
        "input",
    }
)
"""Table functions an analyst may use: they read nothing but what the analyst may read anyway."""

ANALYST_STATEMENTS = READING_KEYWORDS | {"SHOW", "DESCRIBE", "DESC", "EXPLAIN", "EXISTS", "USE", "SET"}
NOT_FOR_ANALYSTS_TO_SET = frozenset({"readonly", "allow_ddl", "allow_introspection_functions", "log_comment"})


@dataclass(frozen=True, slots=True)
class AccessRules:
    """`table_functions` are the names this engine knows, so that one added by a new version is refused to analysts."""

    table_functions: frozenset[str] = field(default_factory=frozenset)

    def check_settings(self, settings: Mapping[str, str], user: str) -> None:
        """Raises ServerError if `user` may not send these along with a query."""
        for name in settings:
            _refuse_setting(name)
            if user != OWNER and name.lower() in NOT_FOR_ANALYSTS_TO_SET - {"readonly", "log_comment"}:
                raise ServerError(READONLY, f"{user}: Cannot modify {name!r} setting in readonly mode. (READONLY)")

    def check(self, statement: Statement, user: str, read_only: bool = False) -> None:
        """Raises ServerError if `user` may not run this statement; `read_only` holds anybody to reading."""
        _refuse_files_and_engines(statement.tokens)
        for name, following in _called(statement.tokens):
            _refuse_to_all(name, following)
            if user != OWNER and name in self.table_functions - FOR_READING:
                raise ServerError(ACCESS_DENIED, f"{user}: Not enough privileges to use {name}(). (ACCESS_DENIED)")
        if user != OWNER or read_only:
            _refuse_writing(statement, user)


def _called(found: Sequence[Token]) -> Iterator[tuple[str, Sequence[Token]]]:
    """Every name that an opening parenthesis follows, in small letters, with the two tokens inside."""
    for at, token in enumerate(found[:-1]):
        # `db.name (` is a table with a column list: functions are never qualified.
        qualified = at > 0 and found[at - 1].text == "."
        if token.name and not qualified and found[at + 1].text == "(" and found[at + 1].kind is Kind.SYMBOL:
            yield token.name.lower(), found[at + 2 : at + 4]


def _refuse_to_all(name: str, following: Sequence[Token]) -> None:
    if name in REFUSED_TO_ALL:
        raise ServerError(SUPPORT_IS_DISABLED, f"{name}() is not available here. (SUPPORT_IS_DISABLED)")
    if name in WEB_ONLY and not _is_web_address(following):
        raise ServerError(SUPPORT_IS_DISABLED, f"{name}() takes only a written-out http(s) address here. (SUPPORT_IS_DISABLED)")


def _is_web_address(following: Sequence[Token]) -> bool:
    if len(following) < 2 or following[1].text not in (",", ")"):
        return False
    return following[0].value.lower().startswith(("http://", "https://"))


def _refuse_files_and_engines(found: Sequence[Token]) -> None:
    words = [token.keyword for token in found]
    for at, word in enumerate(words[:-1]):
        if (word, words[at + 1]) in (("INTO", "OUTFILE"), ("FROM", "INFILE")):
            raise ServerError(SUPPORT_IS_DISABLED, f"{word} {words[at + 1]} is not available: use a client. (SUPPORT_IS_DISABLED)")
        if found[at + 1].text == "=":
            _refuse_setting(found[at].name)
        if word == "ENGINE":
            _refuse_engine(found[at + 1 : at + 5])


def _refuse_engine(following: Sequence[Token]) -> None:
    named = following[1:] if following[0].text == "=" else following
    name = named[0].name if named else ""
    if name.lower() in REFUSED_ENGINES:
        raise ServerError(SUPPORT_IS_DISABLED, f"The table engine {name} is not available here. (SUPPORT_IS_DISABLED)")
    if name.lower() == "url" and not _is_web_address(named[2:]):
        raise ServerError(SUPPORT_IS_DISABLED, "The table engine URL takes only http(s) addresses here. (SUPPORT_IS_DISABLED)")


def _refuse_setting(name: str) -> None:
    if name.lower().startswith(FILE_SETTINGS):
        raise ServerError(SUPPORT_IS_DISABLED, f"The setting {name} is not available here. (SUPPORT_IS_DISABLED)")


def _refuse_writing(statement: Statement, user: str) -> None:
    if statement.keyword not in ANALYST_STATEMENTS:
        raise ServerError(READONLY, f"{user}: Cannot execute query in readonly mode. (READONLY)")
    if statement.keyword == "SET":
        for token in statement.tokens[1:]:
            if token.name.lower() in NOT_FOR_ANALYSTS_TO_SET:
                raise ServerError(READONLY, f"{user}: Cannot modify {token.name!r} setting in readonly mode. (READONLY)")
