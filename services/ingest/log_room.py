"""Whether Kafka's disks have room for more: looked at every few seconds, so that ingest refuses before a disk is full."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from aiokafka.errors import KafkaError

from services.ingest.log_connection import LogAway
from services.runtime import metrics
from services.runtime.log_disk import RoomUnknown

LOOK_SECONDS = 2.0
ANSWER_SECONDS = 5.0
_log = logging.getLogger(__name__)


class LogFull(Exception):
    """Raised while Kafka's disks have less room than they must keep. Nothing was written; the answer is 503, and the sender tries again."""


class LogRoom:
    """``ask``: bytes free on the fullest disk. ``least_bytes``: what must stay free; 0: never looked at.

    While Kafka does not answer, what it said last counts; where it does not tell, nothing is refused.
    """

    def __init__(self, ask: Callable[[], Awaitable[int]], least_bytes: int) -> None:
        self._ask, self._least = ask, least_bytes
        self._untold = ""
        self._looking: asyncio.Task[None] | None = None
        self.problem: str | None = None
        metrics.INGEST_LOG_LEAST_BYTES.set(least_bytes)
        metrics.INGEST_LOG_FREE_BYTES.set(float("nan"))

    def start(self) -> None:
        if self._least:
            self._looking = asyncio.create_task(self._go_on_looking(), name="look how much room Kafka has")

    def check(self) -> None:
        """Raises LogFull."""
        if self.problem is not None:
            raise LogFull(self.problem)

    def close(self) -> None:
        if self._looking:
            self._looking.cancel()

    async def _go_on_looking(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Now; says in the log when the answer changes what becomes of requests."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                self._found(await self._ask())
        except RoomUnknown as error:
            self._not_told(str(error))
        except (LogAway, KafkaError, OSError):
            return

    def _found(self, free: int) -> None:
        metrics.INGEST_LOG_FREE_BYTES.set(free)
        was_full, self._untold = self.problem is not None, ""
        self.problem = None
        if free < self._least:
            self.problem = (
                f"Kafka has {free:,} bytes left on the fullest of its disks, RAPPORT_INGEST_MIN_LOG_DISK_BYTES asks for {self._least:,}: "
                "give it more room; until then requests are answered 503"
            )
        if was_full != (self.problem is not None):
            _log.warning("%s", self.problem or "Kafka has room again")

    def _not_told(self, why: str) -> None:
        metrics.INGEST_LOG_FREE_BYTES.set(float("nan"))
        self.problem = None
        if why != self._untold:
            _log.warning("a full disk of Kafka will not be seen coming: %s; RAPPORT_INGEST_MIN_LOG_DISK_BYTES=0 ends this", why)
        self._untold = why
