"""Sessions that last over several HTTP requests, by the id their client chose."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from services.embedded.engine_session import Session
from services.embedded.server_errors import SESSION_IS_LOCKED, SESSION_NOT_FOUND, ServerError

MOST_SESSIONS = 500


@dataclass(slots=True)
class _Named:
    session: Session
    is_busy: bool
    expires_at: float


class NamedSessions:
    """A session is closed when it has not been used for as long as its client asked."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._named: dict[tuple[str, str], _Named] = {}
        self._lock = threading.Lock()
        self._now = now

    def take(self, user: str, session_id: str, must_exist: bool, open_session: Callable[[], Session]) -> Session:
        """Raises ServerError while another request uses it, or when it should exist and does not."""
        with self._lock:
            self._close_expired()
            named = self._named.get((user, session_id))
            if named is None:
                if must_exist:
                    raise ServerError(SESSION_NOT_FOUND, f"Session {session_id} not found. (SESSION_NOT_FOUND)")
                named = self._named[user, session_id] = _Named(open_session(), False, 0)
            if named.is_busy:
                raise ServerError(SESSION_IS_LOCKED, f"Session {session_id} is locked by a concurrent client. (SESSION_IS_LOCKED)")
            named.is_busy = True
            return named.session

    def give_back(self, user: str, session_id: str, keep_s: int, close: bool = False) -> None:
        with self._lock:
            named = self._named[user, session_id]
            named.is_busy = False
            named.expires_at = self._now() + keep_s
            if close:
                self._named.pop((user, session_id)).session.close()

    def _close_expired(self) -> None:
        now = self._now()
        idle = [(key, named) for key, named in self._named.items() if not named.is_busy]
        expired = [key for key, named in idle if named.expires_at <= now]
        if not expired and len(self._named) >= MOST_SESSIONS and idle:
            expired = [min(idle, key=lambda item: item[1].expires_at)[0]]
        for key in expired:
            self._named.pop(key).session.close()
