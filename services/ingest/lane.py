"""One partition's sender: joins what all waiting requests have into one batch a round trip.

aiokafka's ``send_batch`` does not stand concurrent callers on one partition (they wake each other until they time out),
so each partition has one task that calls it.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from aiokafka.errors import KafkaError, MessageSizeTooLargeError, ProducerClosed, RecordListTooLargeError

from services.ingest.admission import Admitted
from services.ingest.log_connection import LogAway, LogConnection

STALLED_SECONDS = 2.0
"""A batch that is not acknowledged for so long means that the partition's leader is away: further requests are refused at once."""

RETRY_PAUSE = 0.2
Headers = list[tuple[str, bytes]]


class LogRefused(Exception):
    """Raised when Kafka will never take a message (larger than the topic allows). The answer is 500: an operator must act."""


class Ticket:
    """A request's wait for the acknowledgement of everything it sent."""

    __slots__ = ("_open", "asked_at", "done")

    def __init__(self, parts: int) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.asked_at = time.monotonic()
        self._open = parts

    def part_acknowledged(self) -> None:
        self._open -= 1
        if self._open == 0 and not self.done.done():
            self.done.set_result(None)

    def fail(self, error: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(error)


class Parcel:
    """The part of a request that goes to one partition. ``sent`` messages are acknowledged or under way."""

    __slots__ = ("headers", "messages", "sent", "ticket", "timestamp_ms")

    def __init__(self, messages: list[Admitted], timestamp_ms: int, headers: Headers, ticket: Ticket) -> None:
        self.messages, self.timestamp_ms, self.headers, self.ticket = messages, timestamp_ms, headers, ticket
        self.sent = 0


class Lane:
    """Sends parcels in their order. A batch whose producer broke is sent again with the next one: it may then be in the log
    twice, which the profile stage recognises; it is never answered before Kafka acknowledged it."""

    def __init__(self, log: LogConnection, topic: str, partition: int) -> None:
        self._log, self._topic, self._partition = log, topic, partition
        self._waiting: deque[Parcel] = deque()
        self._under_way: list[tuple[Parcel, int]] = []
        self._busy_since: float | None = None
        self._one_by_one = False
        self._acknowledgement: asyncio.Future[Any] | None = None
        self._wake = asyncio.Event()
        log.when_broken(self._interrupt)
        self._task = asyncio.create_task(self._run(), name=f"send to {topic} {partition}")

    def add(self, parcel: Parcel) -> None:
        self._waiting.append(parcel)
        self._wake.set()

    def stalled(self, now: float) -> bool:
        return self._busy_since is not None and now - self._busy_since > STALLED_SECONDS

    @property
    def idle(self) -> bool:
        return not self._waiting and not self._under_way

    def give_up(self, asked_before: float) -> None:
        """Fails the requests that have waited too long, and forgets those of them that are not under way."""
        late = [p for p in (*self._waiting, *(p for p, _ in self._under_way)) if p.ticket.asked_at < asked_before]
        for parcel in late:
            parcel.ticket.fail(LogAway("Kafka has not acknowledged the write in time"))
        while self._waiting and self._waiting[0].ticket.done.done():
            self._waiting.popleft()

    async def close(self) -> None:
        """Stops sending; what waits is refused."""
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        self.give_up(float("inf"))

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                self._busy_since = time.monotonic()
                await self._send_once()
            self._busy_since = None

    async def _send_once(self) -> None:
        producer = await self._log.producer()
        builder = self._filled(producer.create_batch())
        if builder is None:
            return
        try:
            self._acknowledgement = await producer.send_batch(builder, self._topic, partition=self._partition)
            await self._acknowledgement
        except (MessageSizeTooLargeError, RecordListTooLargeError) as error:
            self._too_large(error)
        except (KafkaError, OSError) as error:
            self._take_back()
            self._log.broken(producer, error)
            await asyncio.sleep(RETRY_PAUSE)
        else:
            self._one_by_one = False
            self._acknowledged()

    def _interrupt(self) -> None:
        """The producer is being given up, perhaps by another lane: what it has not acknowledged is sent with the next one."""
        if self._acknowledgement is not None and not self._acknowledgement.done():
            self._acknowledgement.set_exception(ProducerClosed())

    def _filled(self, builder: Any) -> Any | None:
        """The batch with as much of what waits as it takes; None if nobody waits any more."""
        full = False
        while self._waiting and not full:
            parcel = self._waiting[0]
            began = parcel.sent
            if not parcel.ticket.done.done():
                full = self._put(parcel, builder.append)
                if parcel.sent > began:
                    self._under_way.append((parcel, began))
                if parcel.sent < len(parcel.messages):
                    break
            self._waiting.popleft()
        return builder if self._under_way else None

    def _put(self, parcel: Parcel, append: Callable[..., Any]) -> bool:
        """Moves messages of the parcel into the batch; whether the batch is full."""
        timestamp, headers = parcel.timestamp_ms, parcel.headers
        for key, value in parcel.messages[parcel.sent :]:
            if append(timestamp=timestamp, key=key, value=value, headers=headers) is None:
                return True
            parcel.sent += 1
            if self._one_by_one:
                return True
        return False

    def _acknowledged(self) -> None:
        for parcel, _ in self._under_way:
            if parcel.sent == len(parcel.messages):
                parcel.ticket.part_acknowledged()
        self._under_way.clear()

    def _take_back(self) -> None:
        """Puts what was under way in front of what waits, as it was."""
        for parcel, began in reversed(self._under_way):
            if parcel.sent == len(parcel.messages):
                self._waiting.appendleft(parcel)
            parcel.sent = began
        self._under_way.clear()

    def _too_large(self, error: Exception) -> None:
        """A topic may take less than a whole batch: its messages then go one by one, and one that is refused alone fails."""
        alone, parcel = self._one_by_one, self._under_way[0][0]
        self._take_back()
        self._one_by_one = True
        if alone:
            parcel.ticket.fail(LogRefused(f"topic {self._topic} does not take a message of this size: {error}"))
            self._one_by_one = False
