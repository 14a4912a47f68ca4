"""Whether this process publishes for its store, how far that has come, and when snapshots are due."""

import time
from collections import deque
from uuid import UUID

from services.runtime import metrics
from services.runtime.batches import NotYet
from services.runtime.event_store import EventStore
from services.runtime.outbox import Outbox
from services.runtime.stage import Message, Stage

PUBLISHED, SNAPSHOTS = "published", "snapshots"
MARK_SECONDS = 1.0
WAIT_SECONDS = 1.0
SNAPSHOT_SHARE, SNAPSHOTS_AT_ONCE = 0.1, 500
LEAST_SHARE_SECONDS, MOST_SHARE_SECONDS = 0.05, 0.5
BEHIND_SECONDS = 0.5
"""How far apart parts of a round are while a backlog is worked off: most of its snapshots would be out of date at once."""


class Publisher:
    """Everything here but `behind` is called while no commit is open.

    `snapshot_seconds`: an originator's snapshot is published at most this often. `max_backlog`: events committed and not
    acknowledged, past which the stage takes no more.
    """

    def __init__(self, outbox: Outbox, store: EventStore, stage: Stage, snapshot_seconds: float, max_backlog: int) -> None:
        self._outbox, self._store, self._stage = outbox, store, stage
        self._snapshot_seconds, self._max_backlog = snapshot_seconds, max_backlog
        self._stored: dict[str, int] = {}
        self._round: deque[tuple[UUID, int]] = deque()
        self._covered = 0
        self._last_round = self._last_share = self._last_marks = 0.0

    async def lead(self) -> bool:
        """True while this process is the one that publishes. Needs a store that knows its last id."""
        leads = self._store.publisher_lock()
        metrics.PUBLISHING.labels(self._stage.name).set(leads)
        if self._outbox.leads and not leads:
            self._round.clear()
            await self._outbox.rest()
        elif leads and not self._outbox.leads:
            marks = self._store.watermark(PUBLISHED), self._store.watermark(SNAPSHOTS)
            self._stored = dict(zip((PUBLISHED, SNAPSHOTS), marks, strict=True))
            self._outbox.lead(*marks, self._store.last_id)
        self._outbox.committed_up_to(self._store.last_id)
        return leads

    async def behind(self) -> None:
        """Waits a second for Kafka while too much is not acknowledged; then raises NotYet."""
        if self._outbox.backlog > self._max_backlog:
            await self._outbox.progress(seconds=WAIT_SECONDS)
        if self._outbox.backlog > self._max_backlog:
            raise NotYet(f"{self._outbox.backlog} events wait for Kafka")

    def take_snapshots(self, now: float, behind: bool = False) -> None:
        """Of everything touched since the last round, in the order of ids, a part at a time: for a tenth of the time at
        most, so that many changes make snapshots rarer rather than the stage slower; and a single part now and then while
        the stage is `behind`. The stage's state must be the committed one."""
        if behind and now - self._last_share < BEHIND_SECONDS:
            return
        if not self._round and now - self._last_round >= self._snapshot_seconds:
            touched = self._outbox.take_touched()
            self._round.extend(sorted(touched.items(), key=lambda one: one[1]))
            self._covered, self._last_round = self._outbox.published, now
        share = min(max(LEAST_SHARE_SECONDS, SNAPSHOT_SHARE * (now - self._last_share)), MOST_SHARE_SECONDS)
        self._last_share = now
        while self._round and time.monotonic() - now < share:
            part = [self._round.popleft() for _ in range(min(len(self._round), SNAPSHOTS_AT_ONCE))]
            covered = None if self._round else self._covered
            self._outbox.add_snapshots(self._snapshots(dict(part)), self._store.last_id, covered)
            if behind:
                return

    def _snapshots(self, touched: dict[UUID, int]) -> list[Message]:
        ids = {self._outbox.key(originator): id for originator, id in touched.items()}
        found = [(ids.get(message.key, 0), message) for message in self._stage.snapshots(touched)]
        found.sort(key=lambda one: one[0])
        return [_with_id(message, id) for id, message in found]

    def new_marks(self) -> dict[str, int]:
        """How far publishing has come since it was last stored: to go with the next transaction."""
        if not self._outbox.leads:
            return {}
        marks = {PUBLISHED: self._outbox.published, SNAPSHOTS: self._outbox.covered}
        return {name: value for name, value in marks.items() if value != self._stored.get(name)}

    def stored(self, marks: dict[str, int]) -> None:
        self._stored |= marks
        self._last_marks = time.monotonic()

    def forget(self) -> None:
        """What was said to be stored may not be."""
        self._stored.clear()

    def keep_marks(self) -> None:
        """When no transaction has carried them for a second."""
        marks = self.new_marks()
        if marks and time.monotonic() - self._last_marks > MARK_SECONDS:
            for name, value in marks.items():
                self._store.set_watermark(name, value)
            self.stored(marks)

    async def leave(self) -> None:
        """Publishes what is left if that takes no longer than a second, and keeps how far it came."""
        await self._outbox.finish(within=1.0)
        for name, value in self.new_marks().items():
            self._store.set_watermark(name, value)


def _with_id(message: Message, id: int) -> Message:
    return Message(message.topic, message.key, message.value, (("id", b"%d" % id), *message.headers))
