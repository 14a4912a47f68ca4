"""One query of the HTTP port, from its session to its end, in steps that block: a server runs them in threads, in order."""

import uuid

from services.embedded.engine import Engine
from services.embedded.engine_session import Answer, ResultStream, RowsInsert, Session
from services.embedded.http_answers import WITHOUT_HEADER, summary
from services.embedded.http_body import QueryText, SentTable
from services.embedded.http_request import HttpRequest
from services.embedded.http_sessions import NamedSessions
from services.embedded.insert_head import InsertHead
from services.embedded.query_admission import Admission, AdmittedQuery, QueryRequest
from services.embedded.sql_tokens import quoted_name

_NOTHING = Answer(b"", 0, 0, 0, 0, 0, 0.0)


class HttpQuery:
    """`open` first; then `push` and `finish_rows` if `takes_rows`, else `next_piece` until None. `close` at last, always.

    Every step raises ServerError; then only `close` may be called.
    """

    def __init__(self, engine: Engine, admission: Admission, sessions: NamedSessions, http: HttpRequest, text: QueryText) -> None:
        self._engine = engine
        self._admission = admission
        self._sessions = sessions
        self._http = http
        self._text = text
        self.request = QueryRequest(
            text.sql,
            http.fields.get("query_id") or str(uuid.uuid4()),
            http.settings,
            frozenset(http.settings),
            http.parameters,
            read_only=http.reads_only,
            rows_follow=text.rows_follow,
        )
        self._session: Session | None = None
        self._query: AdmittedQuery | None = None
        self._stream: ResultStream | None = None
        self._insert: RowsInsert | None = None
        self._succeeded = False
        self.output_format = ""
        self.first_piece: bytes | None = None
        self.summary = summary(_NOTHING)

    @property
    def takes_rows(self) -> bool:
        return self._insert is not None

    def open(self) -> None:
        """Starts the query, and fetches the first piece of its answer."""
        session = self._session = self._take_session()
        if self._http.database:
            session.use(self._http.database)
        query = self._query = self._admission.begin(session, self.request)
        for table in self._text.tables:
            _create_table(session, table)
        insert = query.statement.insert
        if insert and self._text.rows_follow:
            self._insert = session.insert(insert, insert.format)
            return
        self.output_format = query.statement.format or self._http.default_format
        if query.statement.reads and self.output_format.lower() in WITHOUT_HEADER:
            self._stream = session.stream(query.statement.without_format(), self.output_format, query.parameters)
            self.first_piece = self.next_piece()
        else:
            self.first_piece = self._run(session, query)

    def _run(self, session: Session, query: AdmittedQuery) -> bytes:
        sql = query.statement.without_format() if query.statement.format else query.sql
        answer = session.run(sql, self.output_format, query.parameters)
        self.summary = summary(answer)
        self._succeeded = True
        return answer.output

    def next_piece(self) -> bytes | None:
        """What follows; None at the end."""
        piece = self._stream.next_piece() if self._stream else None
        if piece is None:
            self._succeeded = True
            return None
        return piece[0]

    def push(self, rows: bytes) -> None:
        assert self._insert
        self._insert.push(rows)

    def finish_rows(self) -> None:
        """The rows are on disk when this returns."""
        assert self._insert
        insert, self._insert = self._insert, None
        self.summary = summary(insert.finish())
        self._succeeded = True

    def close(self) -> None:
        """Ends the query, whatever became of it, and gives its session back."""
        session, self._session = self._session, None
        if session is None:
            return
        try:
            if self._insert is not None:
                self._insert.cancel()
            if self._stream is not None and not self._succeeded:
                self._stream.cancel()
            for table in self._text.tables:
                session.run_inside(f"DROP TEMPORARY TABLE IF EXISTS {quoted_name(table.name)}")
            if self._query is not None:
                self._admission.end(session, self._query, self._succeeded)
        finally:
            self._release(session)

    def _take_session(self) -> Session:
        credentials, session_id = self._http.credentials, self._http.fields.get("session_id", "")
        if not session_id:
            return self._engine.open_session(credentials.user, credentials.password)
        return self._sessions.take(
            credentials.user,
            session_id,
            self._http.is_on("session_check"),
            lambda: self._engine.open_session(credentials.user, credentials.password),
        )

    def _release(self, session: Session) -> None:
        session_id = self._http.fields.get("session_id", "")
        if session_id:
            closes = self._http.is_on("close_session")
            self._sessions.give_back(session.user, session_id, self._http.session_seconds, closes)
        else:
            session.close()


def _create_table(session: Session, table: SentTable) -> None:
    session.run_inside(f"CREATE TEMPORARY TABLE {quoted_name(table.name)} ({table.structure})")
    insert = session.insert(InsertHead.into(quoted_name(table.name)), table.rows_format)
    insert.push(table.rows)
    insert.finish()
