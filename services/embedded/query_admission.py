"""From what a client sent to what the engine is given: settings, the access rules, the tag by which it can be stopped.

Both doors, native and HTTP, go through here. Blocks: called in threads.
"""

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from services.embedded.engine import Engine
from services.embedded.engine_session import Session
from services.embedded.insert_head import InsertHead
from services.embedded.native_blocks import Column
from services.embedded.sql_tokens import Kind, Token, quoted, tokens
from services.embedded.statements import READING_KEYWORDS, Statement, parse_statement

EXPRESSIONS_CHECKED_BYTES = 256 * 1024
"""Up to this size the values written into an INSERT may be expressions; beyond it only literals."""

CHANGE_NO_TABLE = READING_KEYWORDS | {"INSERT", "SET", "USE", "SHOW", "DESCRIBE", "DESC", "EXPLAIN", "EXISTS", "KILL"}

KEPT_HERE = frozenset({"log_comment", "readonly"})
"""Settings of a query that do not reach the engine: the first goes into the tag; of the second the engine would never let go again, so
its queries are held to reading here."""


@dataclass(frozen=True, slots=True)
class QueryRequest:
    sql: str
    query_id: str = ""
    """The client's own; several of the same id may run at once."""
    settings: Mapping[str, str] = field(default_factory=dict)
    strict_settings: frozenset[str] = frozenset()
    """Those whose unknown name is an error; others are passed over, as ClickHouse does for clients newer than itself."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    read_only: bool = False
    """Nothing may be changed by it, whoever sent it."""
    rows_follow: bool = False
    """An INSERT's rows come after the text, unseen here."""
    tag: str = field(init=False)
    """Marks this one run among all that run in the engine; it begins with the client's own log comment."""

    def __post_init__(self) -> None:
        comment = self.settings.get("log_comment", "")
        object.__setattr__(self, "tag", f"{comment} {self.query_id}/{uuid.uuid4().hex}".strip())


@dataclass(frozen=True, slots=True)
class AdmittedQuery:
    statement: Statement
    sql: str
    request: QueryRequest
    applied: tuple[str, ...]

    @property
    def parameters(self) -> Mapping[str, str]:
        return self.request.parameters

    @property
    def inline_rows(self) -> str:
        """What an INSERT brings along in its text after VALUES or FORMAT."""
        insert = self.statement.insert
        return self.sql[insert.data_start :].strip().removesuffix(";") if insert else ""


class DescribedTables:
    """What an INSERT's client must send, as the INSERT before was told: asking the engine costs a tenth of a small insert. Only of tables
    named with their database, which are the same to all sessions; and until a statement may have changed one."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], list[Column]] = {}

    def of(self, insert: InsertHead, ask: Callable[[], list[Column]]) -> list[Column]:
        if "." not in insert.target or "(" in insert.target:
            return ask()
        known, table = self._known, (insert.target, insert.columns)
        if table not in known:
            known[table] = ask()  # of no use, and not found again, where they were forgotten meanwhile
        return known[table]

    def after(self, statement: Statement, succeeded: bool) -> None:
        if not succeeded or statement.keyword not in CHANGE_NO_TABLE:
            self._known = {}


class Admission:
    """Knows the running queries by the ids their clients gave them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.described = DescribedTables()
        self._tags: dict[str, str] = {}

    def stop(self, tag: str) -> None:
        self._engine.stop_query(tag)

    def begin(self, session: Session, request: QueryRequest) -> AdmittedQuery:
        """Checks and prepares; raises ServerError. What was begun must be ended with `end`."""
        statement = self._checked(request, session.user)
        settings = {name: value for name, value in request.settings.items() if name not in KEPT_HERE}
        if statement.insert and (request.rows_follow or len(request.sql) > EXPRESSIONS_CHECKED_BYTES):
            settings["input_format_values_interpret_expressions"] = "0"
        try:
            session.apply({**settings, "log_comment": request.tag}, request.strict_settings)
        except BaseException:
            session.restore(list(settings))
            raise
        if request.query_id:
            self._tags[request.query_id] = request.tag
        sql = self._with_engine_ids(request.sql, statement.tokens) if statement.keyword == "KILL" else request.sql
        return AdmittedQuery(statement, sql, request, tuple(settings))

    def end(self, session: Session, query: AdmittedQuery, succeeded: bool) -> None:
        """Undoes the query's own settings; a SET that succeeded stays."""
        self.described.after(query.statement, succeeded)
        self._tags.pop(query.request.query_id, None)
        if succeeded and query.statement.keyword in ("SET", "USE"):
            session.remember(query.statement.tokens, query.sql)
        session.restore(query.applied)

    def _checked(self, request: QueryRequest, user: str) -> Statement:
        statement = parse_statement(request.sql)
        access = self._engine.access
        access.check(statement, user, request.read_only or request.settings.get("readonly", "0") != "0")
        access.check_settings(request.settings, user)
        insert = statement.insert
        if insert and insert.format.lower() == "values" and len(request.sql) <= EXPRESSIONS_CHECKED_BYTES:
            access.check(Statement(request.sql, tuple(tokens(request.sql))), user)
        return statement

    def _with_engine_ids(self, sql: str, found: Sequence[Token]) -> str:
        """A KILL QUERY whose ids are those clients gave: the engine knows the query by an id of its own."""
        for token in reversed(found):
            tag = self._tags.get(token.value) if token.kind is Kind.STRING else None
            ids = self._engine.query_ids(tag) if tag else []
            if ids:
                sql = sql[: token.start] + quoted(ids[0]) + sql[token.end :]
        return sql
