"""Joins the batches of fetches into few big transactions, and applies them until they are applied."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from services.runtime import metrics
from services.runtime.batches import Batch, NotYet, Sink, Stale
from services.runtime.error_words import in_words
from services.runtime.event_store import StoreLost
from services.runtime.lag import ShownLag
from services.runtime.sqlite_file import is_damage

log = logging.getLogger(__name__)
TICK_SECONDS = 0.1
SHOW_SECONDS = 1.0
PAUSE_AFTER_TICK_SECONDS = 1.0
FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS = 0.05, 5.0
UNHEALTHY_SECONDS = 30.0


class BatchJoiner:
    """`max_records` or `linger_seconds` since the last join was taken, whichever comes first, end a join.

    No exception leaves it but StoreLost and programming errors, which crash the app: Faust would count the batch as done.
    """

    def __init__(self, app: Any, sink: Sink, stage: str, max_records: int, linger_seconds: float) -> None:
        self._app, self._sink, self._stage = app, sink, stage
        self._max_records, self._linger = max_records, linger_seconds
        self._waiting: deque[Batch] = deque()
        self._records = 0
        self._arrived, self._taken = asyncio.Event(), asyncio.Event()
        self._woken = False
        self._last_take = 0.0
        self._lag = ShownLag(stage)
        self._failing_since: float | None = None
        self._failure = ""
        self._tick = getattr(sink, "tick", None)
        for result in ("applied", "waited", "failed", "overtaken", "stale"):  # shown as 0, or the first of each would be no rise
            metrics.BATCHES.labels(stage, result)
        metrics.RESTARTS.labels(stage, "reading")

    async def offer(self, batches: Sequence[Batch]) -> None:
        """Waits while enough is waiting already. A batch that is no longer ours is dropped: its owner fetches it."""
        while (ours := self._ours(batches)) and self._records >= self._max_records:
            self._taken.clear()
            await _wait(self._taken, TICK_SECONDS)
        if ours:
            self._waiting += ours
            self._records += sum(len(batch.records) for batch in ours)
            self._arrived.set()

    def wake(self) -> None:
        """The sink has something to do that does not come with a batch: a tick at once."""
        self._woken = True
        self._arrived.set()

    def is_waiting(self) -> bool:
        """Whether a join is complete, and waits for the sink."""
        return bool(self._waiting) and (self._records >= self._max_records or time.monotonic() >= self._last_take + self._linger)

    async def run(self) -> None:
        """Until the app stops."""
        showing = asyncio.create_task(self._show())  # of its own: where a batch is tried for an hour, its age must be seen
        try:
            while not self._app.should_stop:
                if showing.done():
                    showing.result()  # only a programming error ends it
                if self._app.consumer is None:
                    await asyncio.sleep(TICK_SECONDS)
                    continue
                if batches := await self._join():
                    await self._apply(batches)
                await self._tick_sink()
        finally:
            showing.cancel()

    def problem(self) -> str | None:
        """What has kept the stage from working for half a minute, by itself or as its sink says; None: nothing."""
        since = self._failing_since
        if since is not None and time.monotonic() - since > UNHEALTHY_SECONDS:
            return self._failure
        asked: Callable[[], str | None] | None = getattr(self._sink, "problem", None)
        return asked() if asked else None

    async def _join(self) -> list[Batch]:
        """Empty when a tick is due and no join is complete."""
        until = time.monotonic() + TICK_SECONDS
        while True:
            self._arrived.clear()
            if self.is_waiting():
                return self._take()
            now = time.monotonic()
            complete = self._last_take + self._linger if self._waiting else until
            if self._woken or now >= until:
                self._woken = False
                return []
            await _wait(self._arrived, min(until, complete) - now)

    def _ours(self, batches: Sequence[Batch]) -> list[Batch]:
        return [batch for batch in batches if self._app.consumer.is_current(batch)]

    def _take(self) -> list[Batch]:
        self._last_take = time.monotonic()
        taken: list[Batch] = []
        records = 0
        while self._waiting and (not taken or records + len(self._waiting[0].records) <= self._max_records):
            taken.append(self._waiting.popleft())
            records += len(taken[-1].records)
        self._records -= records
        self._taken.set()
        return taken

    async def _apply(self, batches: Sequence[Batch]) -> None:
        delay = FIRST_RETRY_SECONDS
        while ours := self._ours(batches):
            try:
                await self._sink.apply(ours)
            except Stale as stale:
                self._start_again(stale)
                return
            except NotYet:
                metrics.BATCHES.labels(self._stage, "waited").inc()
            except Exception as error:
                _end_if_lost(error)
                self._failed(error, f"again in {delay:.2f} s")
                await asyncio.sleep(delay)
                delay = min(delay * 2, LONGEST_RETRY_SECONDS)
            else:
                self._worked(ours)
                return

    def _worked(self, batches: Sequence[Batch]) -> None:
        self._failing_since = None
        metrics.BATCHES.labels(self._stage, "applied").inc()
        metrics.BATCH_MESSAGES.labels(self._stage).observe(sum(len(batch.records) for batch in batches))
        for batch in batches:
            self._app.consumer.applied(batch)

    def _start_again(self, stale: Stale) -> None:
        log.info("reading all partitions again from the stored positions: %s", stale)
        metrics.BATCHES.labels(self._stage, "stale").inc()
        metrics.RESTARTS.labels(self._stage, "reading").inc()
        self._app.consumer.start_again()

    def _failed(self, error: Exception, then: str) -> None:
        self._failing_since = self._failing_since or time.monotonic()
        self._failure = in_words(error)
        metrics.BATCHES.labels(self._stage, "failed").inc()
        log.warning("%s: %r; %s", self._stage, error, then, exc_info=log.isEnabledFor(logging.DEBUG))

    async def _tick_sink(self) -> None:
        if self._tick is None:
            return
        try:
            await self._tick()
            self._failing_since = None
        except Stale as stale:
            self._start_again(stale)
        except Exception as error:
            _end_if_lost(error)
            self._failed(error, "again at the next tick")
            await asyncio.sleep(PAUSE_AFTER_TICK_SECONDS)

    async def _show(self) -> None:
        while True:
            if consumer := self._app.consumer:
                self._lag.show(consumer.lags(), consumer.oldest(), time.time())
            metrics.HEALTHY.labels(self._stage).set(self.problem() is None)
            await asyncio.sleep(SHOW_SECONDS)


def _end_if_lost(error: Exception) -> None:
    """Trying again on a damaged store cannot help. At its next start the stage says what is wrong."""
    if isinstance(error, StoreLost):
        raise error
    if is_damage(error):
        raise StoreLost(str(error)) from error


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass
