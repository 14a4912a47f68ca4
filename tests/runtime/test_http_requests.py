"""Bodies posted several at a time: each answered once, busy or missing servers are waited for, and given up in the end."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from services.embedded.processes import free_port
from services.runtime.http_requests import Poster, Unreachable, get

Answer = Callable[[bytes], tuple[int, dict[str, str]]]


@contextmanager
def server(answer: Answer, port: int = 0) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, headers = answer(body)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, format: str, *args: object) -> None:
            """Silence."""

    running = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{running.server_port}"
    finally:
        running.shutdown()
        running.server_close()


def test_every_body_is_answered_once_under_its_own_tag() -> None:
    with server(lambda _: (200, {})) as url, Poster[int](url, {}) as poster:
        bodies = [(number, b"body %d" % number) for number in range(100)]
        assert {tag: reply.body for tag, reply in poster.post(iter(bodies))} == dict(bodies)


def test_no_more_is_read_ahead_than_what_is_in_flight() -> None:
    read = 0

    def bodies() -> Iterator[tuple[int, bytes]]:
        nonlocal read
        for read in range(1, 1001):
            yield read, b"x"

    with server(lambda _: (200, {})) as url, Poster[int](url, {}, in_flight=2) as poster:
        next(iter(poster.post(bodies())))
        assert read <= 5


def test_a_busy_server_is_asked_again_after_the_time_it_names() -> None:
    times = 0

    def busy_twice(_: bytes) -> tuple[int, dict[str, str]]:
        nonlocal times
        times += 1
        return (503, {"Retry-After": "0"}) if times == 1 else (429, {}) if times == 2 else (200, {})

    with server(busy_twice) as url, Poster[str](url, {}) as poster:
        ((_, reply),) = poster.post([("only", b"x")])
    assert (reply.status, times) == (200, 3)


def test_a_server_that_comes_late_is_waited_for() -> None:
    port = free_port()
    with Poster[str](f"http://127.0.0.1:{port}/", {}) as poster:
        replies: list[int] = []
        waiting = threading.Thread(target=lambda: replies.extend(reply.status for _, reply in poster.post([("late", b"x")])))
        waiting.start()
        with server(lambda _: (200, {}), port):
            waiting.join(20)
    assert replies == [200]


def test_a_server_that_never_comes_is_given_up_with_its_address() -> None:
    url = f"http://127.0.0.1:{free_port()}/"
    with Poster[str](url, {}, give_up_after=0.2) as poster, pytest.raises(Unreachable, match=url):
        list(poster.post([("never", b"x")]))


def test_a_refusal_is_an_answer_and_not_tried_again() -> None:
    with server(lambda _: (401, {})) as url, Poster[str](url, {}) as poster:
        assert [reply.status for _, reply in poster.post([("refused", b"x")])] == [401]


def test_a_look_at_a_server_answers_or_raises() -> None:
    with server(lambda _: (200, {})) as url:
        assert get(url).body == b"ok"
    with pytest.raises(OSError, match="refused"):
        get(f"http://127.0.0.1:{free_port()}")
    with pytest.raises(ValueError, match="no address"):
        get("not an address")
