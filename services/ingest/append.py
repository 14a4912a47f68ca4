"""Writes a request's messages to the log and returns when Kafka has acknowledged them all."""

import asyncio
import logging
import time
import zlib
from collections.abc import Sequence
from contextlib import suppress

from services.ingest.admission import Admitted
from services.ingest.lane import Headers, Lane, Parcel, Ticket
from services.ingest.log_connection import LogAway, LogConnection
from services.ingest.log_room import LogRoom

ACKNOWLEDGED_WITHIN = 4.0
"""Seconds after which a request stops waiting and is answered 503."""

SWEEP_SECONDS = 0.25
CLOSE_SECONDS = 2.5
NO_HEADERS: Headers = []
_log = logging.getLogger(__name__)


class Appender:
    """Shared by all requests of the process; call it in one event loop.

    What waits is bounded by the requests that wait for an answer (door.PendingBytes bounds those), plus at most one batch a
    partition that Kafka has not acknowledged.
    """

    def __init__(self, log: LogConnection, room: LogRoom) -> None:
        self._log, self._room = log, room
        self._lanes: dict[tuple[str, int], Lane] = {}
        self._sweeping: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._log.start()
        self._room.start()
        self._sweeping = asyncio.create_task(self._sweep(), name="give up on late writes")

    @property
    def problem(self) -> str | None:
        """Why there is no connection, in words; None: there is one."""
        return self._log.problem

    @property
    def full(self) -> bool:
        """Whether Kafka's disks have too little room left."""
        return self._room.problem is not None

    def check(self) -> None:
        """Raises LogAway while there is no connection, and LogFull while there is no room, before any work is done for a request."""
        if self.problem is not None:
            raise LogAway(self.problem)
        self._room.check()

    async def append(self, by_topic: dict[str, Sequence[Admitted]], timestamp_ms: int, headers: Headers = NO_HEADERS) -> None:
        """Returns when all are acknowledged. Raises LogAway (some may be in the log, or come to be) or LogRefused.

        ``timestamp_ms`` becomes the time of each record; ``headers`` are given to each.
        """
        parts = [part for topic, messages in by_topic.items() for part in self._by_lane(topic, messages)]
        if not parts:
            return
        now = time.monotonic()
        if any(lane.stalled(now) for lane, _ in parts):
            raise LogAway("Kafka has not acknowledged a write for some seconds")
        ticket = Ticket(len(parts))
        for lane, messages in parts:
            lane.add(Parcel(messages, timestamp_ms, headers, ticket))
        await ticket.done

    async def probe(self) -> str | None:
        """What is wrong with the log right now, in words; None: nothing."""
        return self._room.problem or await self._log.probe()

    async def close(self, within: float = 1.0) -> None:
        """Waits a moment for what is under way, then stops; takes at most ``within`` and CLOSE_SECONDS. Call it when every request is
        answered: what is then still under way was answered 503."""
        deadline = time.monotonic() + within
        while time.monotonic() < deadline and not all(lane.idle for lane in self._lanes.values()):
            await asyncio.sleep(0.02)
        if self._sweeping:
            self._sweeping.cancel()
            with suppress(asyncio.CancelledError):
                await self._sweeping
        for lane in self._lanes.values():
            await lane.close()
        self._room.close()
        await self._log.close(CLOSE_SECONDS)

    def _by_lane(self, topic: str, messages: Sequence[Admitted]) -> list[tuple[Lane, list[Admitted]]]:
        if not messages:
            return []
        count = self._log.partitions(topic)  # CRC32 as librdkafka does it: Java's murmur2 costs Python 6 us an event
        grouped: dict[int, list[Admitted]] = {}
        for message in messages:
            grouped.setdefault(zlib.crc32(message.key) % count, []).append(message)
        return [(self._lane(topic, partition), group) for partition, group in grouped.items()]

    def _lane(self, topic: str, partition: int) -> Lane:
        lane = self._lanes.get((topic, partition))
        if lane is None:
            lane = self._lanes[topic, partition] = Lane(self._log, topic, partition)
        return lane

    async def _sweep(self) -> None:
        """Ends the wait of late requests, and logs when Kafka stops to acknowledge and when it does again."""
        stalled = False
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            now = time.monotonic()
            for lane in self._lanes.values():
                lane.give_up(now - ACKNOWLEDGED_WITHIN)
            if stalled != any(lane.stalled(now) for lane in self._lanes.values()):
                stalled = not stalled
                _log.warning("Kafka does not acknowledge: requests are answered 503" if stalled else "Kafka acknowledges again")
