"""A stage's own business part over a scratch store, fed from the beginning of its topic; after a crash it goes on where that store is."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path

from services.proof.progress import Progress
from services.proof.refold import Place
from services.runtime.batches import TP, Batch
from services.runtime.event_store import Items, NewEvent, RecordedEvent, Rows, Transaction
from services.runtime.event_store_sqlite import SQLiteEventStore
from services.runtime.log_reader import Log
from services.runtime.seen_messages import SeenMessages, mark
from services.runtime.stage import Record, Stage
from services.runtime.stage_process import StageProcess
from services.runtime.store_snapshot import StoreSnapshot, snapshot_of

EVENTS_A_PAGE = 8_000
RECORDS_A_BATCH = 32_000
"""Twice what a stage takes: nobody waits for it, and what is written of a customer is written at most once a batch."""
BATCHES_A_COMMIT = 8
"""A batch changes next to every page that there is, and a page is written to disk once a commit."""
PAGE_CACHE_MB = 768
"""Room for the pages of all batches of a commit."""
Said = NewEvent | RecordedEvent


class Fold:
    """``hears`` is given all its events in their order, first those that are there already. ``changed_rows`` and ``changed_items``: what
    was written since ``note_changes``."""

    def __init__(self, path: Path, process: StageProcess, hears: Callable[[Sequence[Said]], None]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path, self._process = path, process
        self.store = SQLiteEventStore(
            path, kinds=process.kinds, item_kinds=process.item_kinds, cache_mb=PAGE_CACHE_MB, synchronous="NORMAL"
        )
        self._seen = SeenMessages(self.store) if process.deduplicate_by_id else None
        self._written = 0
        self._hears = hears
        self._hear_stored()
        self._settled: set[Place] = set()
        self._noting = False
        self.changed_rows: Rows = {}
        self.changed_items: Items = {}

    def snapshot(self) -> StoreSnapshot:
        return snapshot_of(self._path)

    def positions(self) -> dict[TP, int]:
        """How far the topic is folded."""
        return {TP(name.rpartition(":")[0], int(name.rpartition(":")[2])): next for name, next in self.store.positions().items()}

    def seen(self) -> dict[str, int]:
        """The watermarks by which repeats are known."""
        return {mark(tp): self.store.watermark(mark(tp)) for tp in self.positions()} if self._seen else {}

    async def up_to(self, log: Log, ends: Mapping[TP, int], stage: Stage, later: Collection[Place], progress: Progress) -> None:
        """Everything before those offsets that was not taken yet. Records in the places ``later`` come last: the live stage refused them
        because another with their event_id came first."""
        places = frozenset(later)
        await self._read(log, ends, stage, places, progress)
        if waiting := {place for place in places - self._settled if place[2] < ends.get(TP(*place[:2]), 0)}:
            await self._take_places(log, stage, waiting)
            self._settled |= waiting

    async def _take_places(self, log: Log, stage: Stage, places: set[Place]) -> None:
        partitions = {TP(topic, partition) for topic, partition, _ in places}
        offsets = {tp: [offset for *of, offset in places if TP(*of) == tp] for tp in partitions}  # type: ignore[arg-type]
        starts = {tp: min(of) for tp, of in offsets.items()}
        async for fetched in log.read(starts, {tp: max(of) + 1 for tp, of in offsets.items()}):
            if records := [record for of in fetched.values() for record in of if _place(record) in places]:
                self.take(stage, records)

    async def _read(self, log: Log, ends: Mapping[TP, int], stage: Stage, apart: frozenset[Place], progress: Progress) -> None:
        starts = self.positions()
        done, total = sum(starts.values()), sum(ends.values())
        async for fetched in log.read(starts, ends, RECORDS_A_BATCH):
            batches = [Batch(tp, starts.get(tp, 0), of[-1].offset + 1, of, 0, 0) for tp, of in fetched.items() if of]
            self._take_batches(stage, batches, apart)
            starts |= {batch.tp: batch.next for batch in batches}
            done += sum(len(batch.records) for batch in batches)
            progress(f"{self._process.name}: folding the log", done, total)
        self.store.finish()

    def _take_batches(self, stage: Stage, batches: Sequence[Batch], apart: frozenset[Place]) -> None:
        records, seen = self._seen.fresh(batches) if self._seen else ([one for batch in batches for one in batch.records], {})
        if apart:
            records = [record for record in records if _place(record) not in apart]
        positions = {f"{batch.tp.topic}:{batch.tp.partition}": (batch.start, batch.next) for batch in batches}
        transaction = stage.decide(records)
        transaction.positions, transaction.watermarks = positions, {mark(tp): highest for tp, highest in seen.items()}
        self._write(transaction)
        if self._seen:
            self._seen.remember(seen)

    def take(self, stage: Stage, records: Sequence[Record]) -> None:
        """Records by themselves: how far the topic is folded stays as it is."""
        self._write(stage.decide(records))
        self.store.finish()

    def write(self, transactions: Iterable[Transaction]) -> None:
        """What the stage has to write besides."""
        for transaction in transactions:
            self._write(transaction)
        self.store.finish()

    def pass_time(self, stage: Stage, now_ms: int) -> None:
        """All that time brings by then."""
        while (transaction := stage.tick(now_ms)) is not None and not transaction.is_empty():
            self._write(transaction)
        self.store.finish()

    def _write(self, transaction: Transaction) -> None:
        self.store.add(transaction)
        self._written += 1
        if self._written % BATCHES_A_COMMIT == 0:
            self.store.finish()
        self._hears(transaction.events)
        self._note(transaction.rows, transaction.items)

    def _hear_stored(self) -> None:
        heard = 0
        while events := self.store.events_after(heard, EVENTS_A_PAGE):
            self._hears(events)
            heard = events[-1].id

    def _note(self, rows: Rows, items: Items) -> None:
        if not self._noting:
            return
        for kind, values in rows.items():
            self.changed_rows.setdefault(kind, {}).update(values)
        for kind, changes in items.items():
            self.changed_items.setdefault(kind, []).extend(changes)

    def note_changes(self) -> None:
        """From here on."""
        self._noting = True

    def close(self) -> None:
        self.store.close()


def _place(record: Record) -> Place:
    return record.topic, record.partition, record.offset
