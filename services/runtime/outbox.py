"""The event store as an outbox: what is committed is published in order, by one process at a time.

Each event carries its notification id in a header. A crash may repeat events, never skip or reorder any: a partition's
ids rise, but for repeats, so a consumer that drops what is not above its highest id sees each event once.
"""

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from services.runtime import metrics
from services.runtime.error_words import in_words
from services.runtime.event_store import NewEvent, RecordedEvent
from services.runtime.kafka import KafkaConnection
from services.runtime.kept_traces import KeptTraces, TraceRows
from services.runtime.message_sender import KEYS_REMEMBERED, STOP_SECONDS, Headers, MessageSender, Partition, key_hash
from services.runtime.stage import Message
from services.runtime.tracing import TRACEPARENT

log = logging.getLogger(__name__)
EVENTS_A_READ = 2_000
FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS = 0.1, 1.0
Event = NewEvent | RecordedEvent


class CommittedEvents(TraceRows, Protocol):
    """The part of the event store that an outbox reads."""

    def events_after(self, id: int, limit: int) -> list[RecordedEvent]: ...

    def originators_after(self, id: int) -> dict[UUID, int]: ...


class Snapshots(NamedTuple):
    """Messages to send once every event up to `after` is out; then all originators up to `covered`, if given, are covered."""

    messages: Sequence[Message]
    after: int
    covered: int | None


class Outbox:
    """Publishes what it is told is committed; from memory where it can, else from the store.

    Only between `lead` and `rest`, while this process holds the store's publisher lock.
    """

    def __init__(self, connection: KafkaConnection, store: CommittedEvents, route: Mapping[str, str], stage: str, **producer: Any) -> None:
        self._store, self._stage = store, stage
        metrics.RESTARTS.labels(stage, "producer")  # shown as 0 before the first
        self._sender = MessageSender(connection, **producer)
        self._routes = {type: (topic, ("type", type.encode())) for type, topic in route.items()}
        self._memory: deque[tuple[int, Sequence[Event]]] = deque()
        self._snapshots: deque[Snapshots] = deque()
        self._keys: dict[UUID, tuple[bytes, int]] = {}
        self.traces = KeptTraces(store)
        self._work, self._progress = asyncio.Event(), asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._committed = 0
        self.failing_since: float | None = None  # monotonic seconds
        self.failure = ""
        self.published = self.covered = 0
        self.touched: dict[UUID, int] = {}
        """Originators of published events that no snapshot covers yet, with the id of their newest published event."""

    # ---- told by the worker ----

    @property
    def leads(self) -> bool:
        return self._task is not None

    @property
    def backlog(self) -> int:
        """Events that are committed and not acknowledged by Kafka yet."""
        return self._committed - self.published if self.leads else 0

    def lead(self, published: int, covered: int, committed: int) -> None:
        """From the stored watermarks on: the last id known to be published, and covered by snapshots."""
        self.published, self.covered, self._committed = published, min(covered, published), committed
        self._remember_touched()
        self.traces.lead(published)
        self._task = asyncio.create_task(self._run())
        self._work.set()

    def committed(self, first_id: int, events: Sequence[Event], traces: Mapping[int, bytes]) -> None:
        """These are committed; ids run on from `first_id`. `traces`: index of an event -> traceparent."""
        if self.leads and events:
            self.traces.committed(first_id, traces)
            self._memory.append((first_id, events))
            self.committed_up_to(first_id + len(events) - 1)

    def committed_up_to(self, id: int) -> None:
        """Everything up to this id is committed, whoever did it."""
        if id > self._committed:
            self._committed = id
            self._work.set()
        metrics.UNPUBLISHED.labels(self._stage).set(self.backlog)

    def key(self, originator: UUID) -> bytes:
        """The key of its messages."""
        return (self._keys.get(originator) or self._remember_key(originator))[0]

    def take_touched(self) -> dict[UUID, int]:
        """Clears `touched`. Empty while snapshots are still waiting to be sent."""
        if self._snapshots:
            return {}
        taken, self.touched = self.touched, {}
        return taken

    def add_snapshots(self, messages: Sequence[Message], after: int, covered: int | None) -> None:
        """Newest states, to follow the events up to `after`. `covered`: with them, every originator touched up to there."""
        self._snapshots.append(Snapshots(messages, after, covered))
        self._work.set()

    async def progress(self, seconds: float) -> None:
        """Returns when more is acknowledged, at the latest after so many seconds."""
        self._progress.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._progress.wait()

    async def finish(self, within: float) -> None:
        """Returns when everything is out, at the latest after so many seconds."""
        deadline = time.monotonic() + within
        while (self.backlog or self._snapshots) and (left := deadline - time.monotonic()) > 0:
            await self.progress(left)

    async def rest(self) -> None:
        """Stops at once. What is left is published by whoever leads next."""
        task, self._task = self._task, None
        if task:
            task.cancel()
            await asyncio.wait([task], timeout=STOP_SECONDS)
        self._memory.clear()
        self._snapshots.clear()
        self.touched.clear()
        await self._sender.drop()

    # ---- sending ----

    async def _run(self) -> None:
        delay = FIRST_RETRY_SECONDS
        while True:
            try:
                await self._send_next()
                self.failing_since, delay = None, FIRST_RETRY_SECONDS
            except Exception as error:
                log.warning("%s: publishing after %d again in %.1f s: %r", self._stage, self.published, delay, error)
                metrics.RESTARTS.labels(self._stage, "producer").inc()
                self.failing_since, self.failure = self.failing_since or time.monotonic(), in_words(error)
                await self._sender.drop()
                await asyncio.sleep(delay)
                delay = min(delay * 2, LONGEST_RETRY_SECONDS)

    async def _send_next(self) -> None:
        self._work.clear()
        if self.published < self._committed:
            first, events = self._next_events()
            await self._send_events(first, events)
        elif self._snapshots:
            await self._send_snapshots(self._snapshots[0])
            self._snapshots.popleft()
        else:
            await self._work.wait()
            return
        metrics.UNPUBLISHED.labels(self._stage).set(self.backlog)
        self._progress.set()

    def _next_events(self) -> tuple[int, Sequence[Event]]:
        """The next run without a hole: from memory if it starts there, else from the store up to where memory starts."""
        wanted = self.published + 1
        while self._memory and self._memory[0][0] + len(self._memory[0][1]) <= wanted:
            self._memory.popleft()
        if self._memory and self._memory[0][0] <= wanted:
            first, events = self._memory[0]
            return wanted, events[wanted - first :] if wanted > first else events
        end = self._memory[0][0] - 1 if self._memory else self._committed
        stored = self._store.events_after(self.published, min(EVENTS_A_READ, end - self.published))
        if not stored or stored[0].id != wanted or stored[-1].id != wanted + len(stored) - 1:
            raise LookupError(f"the event store has a hole after id {self.published}")
        self.traces.load(stored)
        return wanted, stored

    async def _send_events(self, first: int, events: Sequence[Event]) -> None:
        await self._sender.prepare({self._routes[type][0] for type in {event.type for event in events}})
        counts = await self._sender.send(self._messages(first, events))
        for id, event in enumerate(events, first):
            self.touched[event.originator] = id
        self.published = first + len(events) - 1
        self.traces.published(self.published)
        for topic, count in counts.items():
            metrics.PUBLISHED.labels(self._stage, topic).inc(count)

    def _messages(self, first: int, events: Sequence[Event]) -> Iterator[tuple[Partition, bytes, bytes, Headers]]:
        routes, keys, partitions, traces = self._routes, self._keys, self._sender.partitions, self.traces.by_id
        for id, event in enumerate(events, first):
            topic, type_header = routes[event.type]
            key, hashed = keys.get(event.originator) or self._remember_key(event.originator)
            headers = [("id", b"%d" % id), type_header, ("sequence", b"%d" % event.version)]
            if traces and id in traces:
                headers.append((TRACEPARENT, traces[id]))
            yield (topic, hashed % partitions[topic]), key, event.state, headers

    async def _send_snapshots(self, snapshots: Snapshots) -> None:
        if snapshots.after > self.published:
            raise RuntimeError("snapshots overtook their events")
        await self._sender.prepare({message.topic for message in snapshots.messages})
        partitions = self._sender.partitions
        await self._sender.send(
            ((topic, key_hash(key) % partitions[topic]), key, value, list(headers)) for topic, key, value, headers in snapshots.messages
        )
        self.covered = self.covered if snapshots.covered is None else snapshots.covered
        metrics.SNAPSHOTS.labels(self._stage).inc(len(snapshots.messages))

    def _remember_key(self, originator: UUID) -> tuple[bytes, int]:
        if len(self._keys) >= KEYS_REMEMBERED:
            self._keys.clear()
        key = str(originator).encode()
        found = self._keys[originator] = key, key_hash(key)
        return found

    def _remember_touched(self) -> None:
        """Of the events published before this process led, those that no snapshot covers. What was not published then is touched again."""
        if self.covered < self.published:
            newest = self._store.originators_after(self.covered)
            self.touched.update((originator, min(id, self.published)) for originator, id in newest.items())
