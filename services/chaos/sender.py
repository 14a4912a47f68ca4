"""Channels: post requests to ingest until each is answered 200, and remember what was promised."""

import hashlib
import http.client
import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, Queue

from services.chaos.traffic import Line, Request

SOURCE = "bench"
PAUSE = 0.1
LONGEST_PAUSE = 1.0


@dataclass
class Promised:
    """What was answered 200: ids of touchpoints (the invariants' set A), and quarantine ids of lines that are none."""

    events: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    statuses: Counter[int] = field(default_factory=Counter)
    unanswered: int = 0
    without_retry_after: int = 0
    """503 and 429 that do not say when to come again"""

    def add(self, lines: Iterable[Line]) -> None:
        for line in lines:
            if line.event_id is None:
                self.refused.add(refused_id(line.raw))
            else:
                self.events.add(line.event_id)


def refused_id(raw: bytes) -> str:
    """The quarantine_id of a line that is no touchpoint, as docs/http.md promises it."""
    return "ingest:" + hashlib.sha256(SOURCE.encode() + b"\0" + raw).hexdigest()[:32]


class Sender:
    """Threads that post; a request without an answer, or answered 429 or 503, is posted again until it is answered 200."""

    def __init__(self, port: int, key: str, promised: Promised, connections: int = 4, timeout: float = 10.0) -> None:
        self._port, self._key, self._timeout = port, key, timeout
        self._promised, self._lock = promised, threading.Lock()
        self._work: Queue[Request] = Queue()
        self._left = 0
        self._stopping = threading.Event()
        self._failure: BaseException | None = None
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(connections)]
        for thread in self._threads:
            thread.start()

    def send(self, requests: Sequence[Request]) -> None:
        """Returns at once."""
        every = [request for request in requests for _ in range(request.times)]
        with self._lock:
            self._left += len(every)
        for request in every:
            self._work.put(request)

    @property
    def left(self) -> int:
        """Requests that are not answered 200 yet. Raises what a thread failed with: an answer that must never come."""
        if self._failure is not None:
            raise self._failure
        return self._left

    def stop(self) -> None:
        """Gives up what is left."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=self._timeout)
        try:
            while not self._stopping.is_set():
                try:
                    request = self._work.get(timeout=PAUSE)
                except Empty:
                    continue
                self._until_taken(connection, request)
        except BaseException as failure:  # shown by `left`
            self._failure = failure
        finally:
            connection.close()

    def _until_taken(self, connection: http.client.HTTPConnection, request: Request) -> None:
        body = b"\n".join(line.raw for line in request.lines)
        while not self._stopping.is_set():
            status, pause = self._post(connection, body)
            if status == 200:
                with self._lock:
                    self._promised.add(request.lines)
                    self._left -= 1
                return
            if status not in (0, 429, 503):
                raise AssertionError(f"ingest answered {status}")
            self._stopping.wait(pause)

    def _post(self, connection: http.client.HTTPConnection, body: bytes) -> tuple[int, float]:
        """The status, 0 without an answer; and how long to wait before the next try."""
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/x-ndjson"}
        try:
            connection.request("POST", "/v1/touchpoints", body, headers)
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            with suppress(OSError):
                connection.close()
            with self._lock:
                self._promised.unanswered += 1
            return 0, PAUSE
        asked = answer.headers.get("Retry-After")
        with self._lock:
            self._promised.statuses[answer.status] += 1
            self._promised.without_retry_after += answer.status in (429, 503) and asked is None
        return answer.status, min(LONGEST_PAUSE, float(asked or PAUSE))
