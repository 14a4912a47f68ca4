"""From what a client sent to what the engine is given: settings, the access rules, the tag by which it can be stopped.

Both doors, native and HTTP, go through here. Blocks: called in threads.
"""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from services.embedded.access import OWNER
from services.embedded.engine import Engine
from services.embedded.engine_session import Session
from services.embedded.sql_tokens import Kind, Token, quoted, tokens
from services.embedded.statements import Statement, parse_statement

EXPRESSIONS_CHECKED_BYTES = 256 * 1024
"""Up to this size the values written into an INSERT may be expressions; beyond it only literals."""


@dataclass(frozen=True, slots=True)
class QueryRequest:
    sql: str
    query_id: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    strict_settings: frozenset[str] = frozenset()
    """Those whose unknown name is an error; others are passed over, as ClickHouse does for clients newer than itself."""
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AdmittedQuery:
    statement: Statement
    sql: str
    query_id: str
    tag: str
    parameters: Mapping[str, str]
    applied: tuple[str, ...]

    @property
    def inline_rows(self) -> str:
        """What an INSERT brings along in its text after VALUES or FORMAT."""
        insert = self.statement.insert
        return self.sql[insert.data_start :].strip().removesuffix(";") if insert else ""


class Admission:
    """Knows the running queries by the ids their clients gave them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._tags: dict[str, str] = {}

    def stop(self, tag: str) -> None:
        self._engine.stop_query(tag)

    def begin(self, session: Session, request: QueryRequest) -> AdmittedQuery:
        """Checks and prepares; raises ServerError. What was begun must be ended with `end`."""
        statement = parse_statement(request.sql)
        self._engine.access.check(statement, session.user)
        self._engine.access.check_settings(request.settings, session.user)
        if statement.insert:
            self._check_written_values(request.sql, statement, session.user)
        query_id = request.query_id or str(uuid.uuid4())
        tag = f"{request.settings.get('log_comment', '')} {query_id}/{uuid.uuid4().hex[:8]}".strip()
        settings = {name: value for name, value in request.settings.items() if _applies(name, session.user)}
        applied = (*settings, "log_comment")
        try:
            session.apply({**settings, "log_comment": tag}, request.strict_settings)
        except BaseException:
            session.restore(applied)
            raise
        self._tags[query_id] = tag
        sql = self._with_engine_ids(request.sql, statement.tokens) if statement.keyword == "KILL" else request.sql
        return AdmittedQuery(statement, sql, query_id, tag, request.parameters, applied)

    def end(self, session: Session, query: AdmittedQuery, succeeded: bool) -> None:
        """Undoes the query's own settings; a SET that succeeded stays."""
        self._tags.pop(query.query_id, None)
        if succeeded and query.statement.keyword in ("SET", "USE"):
            session.remember(query.statement.tokens, query.sql)
        session.restore(query.applied)

    @contextmanager
    def admitted(self, session: Session, request: QueryRequest) -> Iterator[AdmittedQuery]:
        query = self.begin(session, request)
        try:
            yield query
        except BaseException:
            self.end(session, query, succeeded=False)
            raise
        self.end(session, query, succeeded=True)

    def _check_written_values(self, sql: str, statement: Statement, user: str) -> None:
        assert statement.insert
        if statement.insert.format.lower() == "values" and len(sql) <= EXPRESSIONS_CHECKED_BYTES:
            self._engine.access.check(Statement(sql, tuple(tokens(sql))), user)

    def _with_engine_ids(self, sql: str, found: Sequence[Token]) -> str:
        """A KILL QUERY whose ids are those clients gave: the engine knows the query by an id of its own."""
        for token in reversed(found):
            tag = self._tags.get(token.value) if token.kind is Kind.STRING else None
            ids = self._engine.query_ids(tag) if tag else []
            if ids:
                sql = sql[: token.start] + quoted(ids[0]) + sql[token.end :]
        return sql


def _applies(name: str, user: str) -> bool:
    """Clients that ask for read-only mode get it by being the analyst; the engine lets nobody set it twice."""
    return name != "log_comment" and not (name == "readonly" and user != OWNER)
