"""What a stage has said so far, as subscribers know it: its events on Kafka, in the order of their ids, each once."""

from collections.abc import AsyncIterator, Mapping
from functools import lru_cache
from uuid import UUID

import msgspec

from schemas import topics
from services.proof.shown import readable
from services.runtime.batches import TP
from services.runtime.event_store import LOST, RecordedEvent
from services.runtime.log_reader import Log
from services.runtime.stage import Record

NOBODY = UUID(int=0)


class _Quarantined(msgspec.Struct, gc=False):
    stage: str


_quarantined = msgspec.json.Decoder(_Quarantined).decode


class History:
    """Kept between calls: how far the topics were read, and events that came before one with a lower id. ``contiguous``: the id up to
    which everything was given out."""

    def __init__(self, stage: str, topic: str) -> None:
        self._stage, self._topics = stage, (topic, topics.QUARANTINE.name)
        self._starts: dict[TP, int] = {}
        self._waiting: dict[int, RecordedEvent] = {}
        self.contiguous = 0

    async def read(self, log: Log) -> AsyncIterator[list[RecordedEvent]]:
        """What is there now beyond what was read before, in runs without a hole. What Kafka raises comes as it is."""
        ends = await log.ends(self._topics)
        async for fetched in log.read(self._starts, ends):
            for records in fetched.values():
                for event in (event_of(self._stage, record) for record in records):
                    if event is not None and event.id > self.contiguous:
                        self._waiting[event.id] = event
            if run := self._run():
                yield run
        self._starts = ends

    def fill(self, stored: Mapping[int, RecordedEvent], up_to: int) -> list[RecordedEvent]:
        """The next ones up to that id, those of the live store where Kafka has none. What neither has was on its way when a store was
        lost: nobody ever saw it, and its number is taken."""
        known = {**stored, **self._waiting}
        run = [known.get(id) or _lost(id) for id in range(self.contiguous + 1, up_to + 1)]
        self._waiting = {id: event for id, event in self._waiting.items() if id > up_to}
        self.contiguous = max(self.contiguous, up_to)
        return run

    @property
    def last_published(self) -> int:
        """The highest id that was seen on Kafka."""
        return max(self._waiting, default=self.contiguous)

    def _run(self) -> list[RecordedEvent]:
        run = []
        while (event := self._waiting.pop(self.contiguous + 1, None)) is not None:
            run.append(event)
            self.contiguous += 1
        return run


def event_of(stage: str, record: Record) -> RecordedEvent | None:
    """The stage's event in a record of its topic or of quarantine; None where it is none of that stage's."""
    headers = dict(record.headers)
    id, type = headers.get("id", b""), headers.get("type", b"").decode("utf-8", "replace")
    if not id.isdigit() or record.key is None or record.value is None:
        return None
    if record.topic == topics.QUARANTINE.name:
        said = readable(_quarantined, record.value)
        if type != "quarantined" or said is None or said.stage != stage:
            return None
    return RecordedEvent(int(id), _originator(record.key), int(headers["sequence"]), type, record.value)


@lru_cache(10_000)
def _originator(key: bytes) -> UUID:
    return UUID(key.decode())


def _lost(id: int) -> RecordedEvent:
    return RecordedEvent(id, NOBODY, id, LOST, b"{}")
