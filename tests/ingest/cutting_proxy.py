"""Stands between ingest and Kafka, and loses the next answer when told to: what was asked arrived, nobody learns that it did."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class CuttingProxy:
    """``lose_next_answer``: the next bytes from Kafka are dropped and their connection is closed. ``lost`` counts that."""

    def __init__(self, port: int, broker_port: int) -> None:
        self.lost = 0
        self._port, self._broker_port, self._armed = port, broker_port, False

    def lose_next_answer(self) -> None:
        self._armed = True

    async def serve(self, ready: threading.Event, stop: asyncio.Event) -> None:
        async with await asyncio.start_server(self._connect, "127.0.0.1", self._port):
            ready.set()
            await stop.wait()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            from_kafka, to_kafka = await asyncio.open_connection("127.0.0.1", self._broker_port)
        except OSError:
            writer.close()
            return
        ways = [asyncio.create_task(self._pass(reader, to_kafka, False)), asyncio.create_task(self._pass(from_kafka, writer, True))]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        writer.close()
        to_kafka.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answers: bool) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65_536):
                if answers and self._armed:
                    self._armed = False
                    self.lost += 1
                    return
                writer.write(data)
                await writer.drain()


@contextmanager
def cutting_proxy(port: int, broker_port: int) -> Iterator[CuttingProxy]:
    """In a thread of its own."""
    proxy, ready = CuttingProxy(port, broker_port), threading.Event()
    loop, stop = asyncio.new_event_loop(), asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(proxy.serve(ready, stop)), daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield proxy
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
