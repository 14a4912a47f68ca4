"""A TCP line to ClickHouse that a test can cut: what was sent arrives, the answer does not."""

import socket
import threading
from contextlib import suppress
from types import TracebackType


class CuttingProxy:
    """Listens on a free port of 127.0.0.1 and passes everything on, until told otherwise."""

    def __init__(self, target: int) -> None:
        self._target, self._listener = target, socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.lost = 0
        self._to_lose, self._hanging = 0, False
        self._lock = threading.Lock()

    def lose_answers(self, count: int) -> None:
        """The next answers to inserted data are not passed on: the line is cut instead, once they are there."""
        with self._lock:
            self._to_lose = count

    def hang(self) -> None:
        """Nothing is passed on any more."""
        self._hanging = True

    def __enter__(self) -> "CuttingProxy":
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._target))
            inserting = threading.Event()
            threading.Thread(target=self._pass_on, args=(client, server, inserting), daemon=True).start()
            threading.Thread(target=self._answer, args=(client, server, inserting), daemon=True).start()

    def _pass_on(self, client: socket.socket, server: socket.socket, inserting: threading.Event) -> None:
        while data := _received(client):
            if self._hanging:
                continue
            if b"INSERT INTO" in data:
                inserting.set()
            _send(server, data)
        _close(server)

    def _answer(self, client: socket.socket, server: socket.socket, inserting: threading.Event) -> None:
        """The first answer to an insert is the table's header, the second says that it is done: that one is lost."""
        answers = 0
        while data := _received(server):
            answers = answers + 1 if inserting.is_set() else 0
            if answers >= 2:
                inserting.clear()
                if self._is_to_be_lost():
                    break
                answers = 0
            _send(client, data)
        _close(client)
        _close(server)

    def _is_to_be_lost(self) -> bool:
        with self._lock:
            if self._to_lose:
                self._to_lose -= 1
                self.lost += 1
                return True
            return False


def _received(line: socket.socket) -> bytes:
    try:
        return line.recv(1 << 16)
    except OSError:
        return b""


def _send(line: socket.socket, data: bytes) -> None:
    try:
        line.sendall(data)
    except OSError:
        _close(line)


def _close(line: socket.socket) -> None:
    with suppress(OSError):
        line.shutdown(socket.SHUT_RDWR)
    line.close()
