"""Stands between the services and Kafka, ClickHouse or PostgreSQL, and does to their connections what networks do."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

CHUNK = 65_536
LOOPBACK = "127.0.0.1"
Target = int | str | tuple[str, int]


class Proxy:
    """Forwards to ``target``: a port here, host and port, or the path of a socket. Thread-safe switches; what they did is counted.

    ``delay``: seconds by which every answer is late. ``refusing``: new connections are closed at once.
    """

    def __init__(self, port: int, target: Target) -> None:
        self.port, self.target = port, target
        self.delay = 0.0
        self.refusing = False
        self.cut = self.lost = self.reset = 0
        self._lose = self._halve = 0
        self._open: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()

    def lose_answers(self, count: int) -> None:
        """The next answers are dropped and their connections closed: what was asked for happened, nobody learns that it did."""
        self._lose += count

    def cut_messages(self, count: int) -> None:
        """Of the next requests only half arrives before the connection breaks."""
        self._halve += count

    def reset_all(self) -> None:
        """Every open connection breaks now."""
        self._loop.call_soon_threadsafe(self._reset_all)

    def pass_all(self) -> None:
        """Back to a network that works."""
        self.delay, self.refusing, self._lose, self._halve = 0.0, False, 0, 0

    def _reset_all(self) -> None:
        for writer in list(self._open):
            self.reset += 1
            writer.transport.abort()

    async def serve(self, ready: threading.Event, stop: asyncio.Event) -> None:
        async with await asyncio.start_server(self._connect, LOOPBACK, self.port):
            ready.set()
            await stop.wait()
            self._reset_all()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refusing:
            writer.transport.abort()
            return
        try:
            answers, asking = await self._opened()
        except OSError:
            writer.transport.abort()
            return
        self._open |= {writer, asking}
        ways = [asyncio.create_task(self._pass(reader, asking, False)), asyncio.create_task(self._pass(answers, writer, True))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            self._open -= {writer, asking}
            writer.transport.abort()
            asking.transport.abort()

    async def _opened(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self.target, str):
            return await asyncio.open_unix_connection(self.target)
        host, port = self.target if isinstance(self.target, tuple) else (LOOPBACK, self.target)
        return await asyncio.open_connection(host, port)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answers: bool) -> None:
        with suppress(ConnectionError, OSError):
            while data := await reader.read(CHUNK):
                if answers and self.delay:
                    await asyncio.sleep(self.delay)
                if answers and self._lose > 0:
                    self._lose -= 1
                    self.lost += 1
                    return
                if not answers and self._halve > 0:
                    self._halve -= 1
                    self.cut += 1
                    writer.write(data[: len(data) // 2])
                    await writer.drain()
                    return
                writer.write(data)
                await writer.drain()


@contextmanager
def running_proxy(port: int, target: Target) -> Iterator[Proxy]:
    """In a thread of its own."""
    proxy, ready = Proxy(port, target), threading.Event()
    stop = asyncio.Event()
    thread = threading.Thread(target=lambda: proxy._loop.run_until_complete(proxy.serve(ready, stop)), daemon=True)
    thread.start()
    if not ready.wait(10):
        raise TimeoutError(f"the proxy on port {port} does not start")
    try:
        yield proxy
    finally:
        proxy._loop.call_soon_threadsafe(stop.set)
        thread.join(10)
