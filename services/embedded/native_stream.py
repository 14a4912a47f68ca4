"""One client's TCP stream: reads protocol values as their bytes arrive, and notices a cancel while a query runs."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from services.embedded.compression import next_frame
from services.embedded.native_blocks import Block, BlockWalker
from services.embedded.native_protocol import CLIENT_CANCEL
from services.embedded.wire import Incomplete, WireReader

READ_BYTES = 1024 * 1024
T = TypeVar("T")


class NativeStream:
    """Raises EOFError when the client is gone, MalformedPacket when its bytes make no sense."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._arrival: asyncio.Task[bytes] | None = None
        self._unsent: list[bytes] = []
        self.wire = WireReader()

    async def read(self, step: Callable[[], T]) -> T:
        """Runs a read on the wire's bytes, again from the same place whenever more of them are needed."""
        while True:
            before = self.wire.position
            try:
                return step()
            except Incomplete:
                self.wire.position = before
                await self._more()

    async def read_block(self, compressed: bool) -> Block:
        """A Data packet's block, after the packet's number and the table's name."""
        self.wire.forget_consumed()
        content = WireReader() if compressed else self.wire
        walker = BlockWalker(content, with_info=True)
        while True:
            try:
                return walker.advance()
            except Incomplete:
                if compressed:
                    content.feed(await self.read(lambda: next_frame(self.wire)))
                else:
                    await self._more()

    async def _more(self) -> None:
        arrival, self._arrival = self._next_arrival(), None
        received = await arrival
        if not received:
            raise EOFError
        self.wire.feed(received)

    def _next_arrival(self) -> asyncio.Task[bytes]:
        if self._arrival is None:
            self._arrival = asyncio.ensure_future(self._reader.read(READ_BYTES))
        return self._arrival

    async def until_done(self, job: asyncio.Future[T], on_cancel: Callable[[], None]) -> T:
        """The job's result. Calls `on_cancel` once if the client sends Cancel, or goes, before it is done."""
        told = False
        while not job.done():
            if told:
                await asyncio.wait({job})
                break
            either: set[asyncio.Future[Any]] = {job, self._next_arrival()}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if self._cancel_arrived():
                told = True
                on_cancel()
        return job.result()

    def _cancel_arrived(self) -> bool:
        if self._arrival is None or not self._arrival.done():
            return False
        received = self._arrival.result()
        if not received:
            return True
        self._arrival = None
        self.wire.feed(received)
        if self.wire.data[self.wire.position] == CLIENT_CANCEL:
            self.wire.position += 1
            return True
        return False

    def write(self, packet: bytes) -> None:
        """With the next flush."""
        self._unsent.append(packet)

    async def flush(self) -> None:
        """Waits while the client reads more slowly than it is written to."""
        self._send()
        await self._writer.drain()

    def _send(self) -> None:
        """All packets at once: to send a few bytes costs as much as to send many."""
        if self._unsent:
            self._writer.write(b"".join(self._unsent))
            self._unsent = []

    def close(self) -> None:
        if self._arrival is not None:
            self._arrival.cancel()
        self._send()
        self._writer.close()
