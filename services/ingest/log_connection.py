"""The one producer of the process: connected in the background, built anew after a fatal error, asked whether Kafka is there."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar

from aiokafka.errors import KafkaError

NewProducer = Callable[[], Any]
"""Makes an idempotent acks=all AIOKafkaProducer in the running loop; it is started and stopped here."""

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 2.0
PROBE_SECONDS = 2.0
STOP_SECONDS = 1.0
PARTITIONS_SECONDS = 30.0
_log = logging.getLogger(__name__)
T = TypeVar("T")


class LogAway(Exception):
    """Raised when Kafka cannot be reached or does not acknowledge. Nothing that was asked for may be counted on; the
    answer is 503, and the sender tries again (an event that did arrive is recognised by its id)."""


class LogConnection:
    """Lanes take the producer from here and give it back as broken. ``topics`` must exist before it counts as connected."""

    def __init__(self, new_producer: NewProducer, topics: tuple[str, ...]) -> None:
        self._new_producer, self._topics = new_producer, topics
        self._producer: Any = None
        self._connected = asyncio.Event()
        self._partitions: dict[str, int] = {}
        self._partitions_read = 0.0
        self._connecting: asyncio.Task[None] | None = None
        self._stopping: set[asyncio.Task[None]] = set()
        self._when_broken: list[Callable[[], None]] = []
        self.problem: str | None = "not connected to Kafka yet"

    def start(self) -> None:
        """Begins to connect; returns at once. Kafka may come later."""
        self._connecting = asyncio.create_task(self._connect(), name="connect to Kafka")

    async def producer(self) -> Any:
        """The producer; waits until there is one."""
        while self._producer is None:
            await self._connected.wait()
        return self._producer

    def when_broken(self, interrupt: Callable[[], None]) -> None:
        """``interrupt`` is called whenever a producer is given up: its acknowledgements may never come."""
        self._when_broken.append(interrupt)

    def broken(self, producer: Any, error: BaseException) -> None:
        """The producer failed for good (a lost sequence, a fenced id): another one is made. Repeats are ignored."""
        if producer is not self._producer:
            return
        _log.warning("the Kafka producer is made anew: %s", type(error).__name__)
        self._producer, self.problem = None, f"Kafka refused: {error}"
        self._connected.clear()
        for interrupt in self._when_broken:
            interrupt()
        self._retire(producer)
        self.start()

    def partitions(self, topic: str) -> int:
        """How many partitions the topic has, as known. Raises LogAway when there is no connection."""
        if self._producer is None:
            raise LogAway(self.problem)
        now = time.monotonic()
        if now - self._partitions_read > PARTITIONS_SECONDS:
            self._partitions_read = now
            metadata = self._producer.client.cluster
            self._partitions = {name: len(metadata.partitions_for_topic(name) or ()) or self._partitions[name] for name in self._topics}
        return self._partitions[topic]

    async def probe(self) -> str | None:
        """Asks Kafka now; what is wrong in words, or None. Answers within PROBE_SECONDS."""
        if self._producer is None:
            return self.problem
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                await self._producer.client.fetch_all_metadata()
        except TimeoutError:
            return f"Kafka does not answer within {PROBE_SECONDS:g} s"
        except KafkaError as error:
            return f"Kafka does not answer: {error}"
        return None

    async def ask(self, question: Callable[[Any], Awaitable[T]]) -> T:
        """What the question, put to the connected client, answers. Raises LogAway when there is no connection."""
        if self._producer is None:
            raise LogAway(self.problem)
        return await question(self._producer.client)

    async def close(self, within: float) -> None:
        """Stops the producer. What is not acknowledged by then was never answered with 200."""
        if self._connecting:
            self._connecting.cancel()
        if self._producer is not None:
            producer, self._producer, self.problem = self._producer, None, "stopping"
            self._connected.clear()
            self._retire(producer)
        if self._stopping:
            await asyncio.wait(self._stopping, timeout=within)

    async def _connect(self) -> None:
        pause = FIRST_PAUSE
        while True:
            producer = self._new_producer()
            try:
                await producer.start()
                self._partitions = {name: len(await producer.partitions_for(name)) for name in self._topics}
                self._partitions_read = time.monotonic()
                break
            except (KafkaError, OSError, TimeoutError) as error:
                self._note(f"Kafka cannot be reached, or a topic is missing (`rapport migrate` makes them): {error}")
                self._retire(producer)
            except asyncio.CancelledError:
                self._retire(producer)
                raise
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
        self._producer, self.problem = producer, None
        self._connected.set()
        _log.info("connected to Kafka")

    def _note(self, problem: str) -> None:
        """Logged when it changes, since requests and attempts may be many."""
        if problem != self.problem:
            _log.warning("%s", problem)
        self.problem = problem

    def _retire(self, producer: Any) -> None:
        task = asyncio.create_task(_stop(producer), name="stop a Kafka producer")
        self._stopping.add(task)
        task.add_done_callback(self._stopping.discard)


async def _stop(producer: Any) -> None:
    """A producer flushes before it stops, which never ends while the broker is away: it gets a moment, then is cut off."""
    with suppress(TimeoutError, KafkaError):
        async with asyncio.timeout(STOP_SECONDS):
            await producer.stop()
            return
    with suppress(TimeoutError, KafkaError):
        async with asyncio.timeout(STOP_SECONDS):
            await producer.client.close()
    sending = producer._sender.sender_task
    if sending is not None and not sending.done():
        sending.cancel()
