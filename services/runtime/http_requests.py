"""Small HTTP requests of one program to another: a look at its health, and bodies posted several at a time.

On the standard library alone, so that whoever asks starts fast.
"""

import http.client
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Generic, TypeVar
from urllib.parse import urlsplit

Tag = TypeVar("Tag")
BUSY = (429, 503)
LONGEST_WAIT = 5.0


class Unreachable(Exception):
    """Raised when a server did not answer, or asked to wait, for longer than the limit. What was answered before stays."""


@dataclass(frozen=True, slots=True)
class Reply:
    """``retry_after`` in seconds; None where the server does not say."""

    status: int
    body: bytes
    retry_after: float | None = None


def get(url: str, timeout_s: float = 1.0) -> Reply:
    """One GET on a connection of its own. Raises OSError (also for what is not HTTP)."""
    connection = _connection(url, timeout_s)
    try:
        return _exchange(connection, "GET", url, None, {})
    finally:
        connection.close()


class Poster(Generic[Tag]):
    """Posts bodies to one address over ``in_flight`` kept connections.

    A body that meets no server, or a server that is busy (429, 503), is sent again after a pause, for ``give_up_after``
    seconds; the receiver must therefore know repeats. Close it, or use it in a ``with``.
    """

    def __init__(self, url: str, headers: dict[str, str], in_flight: int = 4, give_up_after: float = 60.0) -> None:
        self._url, self._headers, self._give_up_after = url, headers, give_up_after
        self._in_flight = in_flight
        self._threads = ThreadPoolExecutor(in_flight, thread_name_prefix="post")
        self._local = threading.local()
        self._closing = threading.Event()

    def __enter__(self) -> "Poster[Tag]":
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._threads.shutdown(wait=True, cancel_futures=True)

    def post(self, bodies: Iterable[tuple[Tag, bytes]]) -> Iterator[tuple[Tag, Reply]]:
        """The replies as they come, with their bodies' tags; reads no further ahead than what is in flight. Raises Unreachable."""
        waiting: dict[Future[Reply], Tag] = {}
        for tag, body in bodies:
            waiting[self._threads.submit(self._post, body)] = tag
            if len(waiting) >= 2 * self._in_flight:
                yield from _finished(waiting)
        while waiting:
            yield from _finished(waiting)

    def _post(self, body: bytes) -> Reply:
        deadline, pause = time.monotonic() + self._give_up_after, 0.1
        while True:
            problem, wanted = "", pause
            try:
                reply = _exchange(self._own_connection(), "POST", self._url, body, self._headers)
                if reply.status not in BUSY:
                    return reply
                problem, wanted = f"HTTP {reply.status}: {reply.body[:300].decode('utf-8', 'replace')}", reply.retry_after or pause
            except OSError as error:
                self._local.connection = None
                problem = str(error) or type(error).__name__
            if time.monotonic() > deadline:
                raise Unreachable(f"{self._url} did not take it within {self._give_up_after:.0f} s: {problem}")
            if self._closing.wait(min(wanted, LONGEST_WAIT)):
                raise Unreachable("stopped before it was sent")
            pause = min(2 * pause, LONGEST_WAIT)

    def _own_connection(self) -> http.client.HTTPConnection:
        """One connection a thread."""
        if getattr(self._local, "connection", None) is None:
            self._local.connection = _connection(self._url, 60.0)
        connection: http.client.HTTPConnection = self._local.connection
        return connection


def _finished(waiting: dict[Future[Reply], Tag]) -> Iterator[tuple[Tag, Reply]]:
    done, _ = wait(waiting, return_when=FIRST_COMPLETED)
    for future in done:
        tag = waiting.pop(future)
        yield tag, future.result()


def _connection(url: str, timeout_s: float) -> http.client.HTTPConnection:
    parts = urlsplit(url)
    kinds: dict[str, Callable[..., http.client.HTTPConnection]] = {
        "http": http.client.HTTPConnection,
        "https": http.client.HTTPSConnection,
    }
    if parts.scheme not in kinds or not parts.hostname:
        raise ValueError(f"{url!r} is no address: write http://HOST:PORT")
    return kinds[parts.scheme](parts.hostname, parts.port, timeout=timeout_s)


def _exchange(connection: http.client.HTTPConnection, method: str, url: str, body: bytes | None, headers: dict[str, str]) -> Reply:
    parts = urlsplit(url)
    try:
        connection.request(method, (parts.path or "/") + (f"?{parts.query}" if parts.query else ""), body, headers)
        answer = connection.getresponse()
        content = answer.read()
    except http.client.HTTPException as error:
        connection.close()
        raise OSError(f"no HTTP answer: {error!r}") from error
    except OSError:
        connection.close()
        raise
    after = answer.getheader("Retry-After", "")
    return Reply(answer.status, content, float(after) if after.isdigit() else None)
