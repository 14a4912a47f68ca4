"""Faust's consumer, changed so that a whole fetch, of all partitions, is one Faust event (an event costs Faust 200 us).

Checked on Kafka 4.1.1, faust-streaming 0.15.3, aiokafka 0.14.0:
* Fetches leave some time apart (`gather_ms`), so each brings what came meanwhile: a fetch costs every process the same, however little it
  brings. The first record after a pause comes at once. (To have the broker gather, by `fetch_min_bytes`, costs it a look at every
  partition of the fetch for every write to one of them: a quarter more of its time.)
* A fetch of the partitions where nothing happens holds up the others: aiokafka asks a broker only one thing at a time. So none waits long.
* ONE TASK seeks and fetches (`getmany`). Whoever wants a seek names the partition in `_reseek`; what was being fetched
  meanwhile is dropped. So a batch's records are ALL of [start, next), though markers or compaction leave gaps.
* Seeks happen from `seek_to_committed` on, which Faust calls last in a rebalance: earlier ones are overwritten.
* A stored position outside Kafka's log crashes the process (aiokafka would silently go to the earliest record), and so does a lost store.
"""

import asyncio
import logging
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

import uvloop
from aiokafka import AIOKafkaConsumer, ConsumerRecord
from aiokafka.structs import OffsetAndMetadata, TopicPartition
from faust.transport.drivers import aiokafka as driver
from faust.types import TP as FaustTP
from faust.types import ConsumerMessage

from services.runtime.batches import TP, Batch, LogLost, Sink
from services.runtime.event_store import StoreLost
from services.runtime.failpoints import failpoint

log = logging.getLogger(__name__)
SEEK_RETRY_SECONDS = 0.2
IDLE_WAIT_MS = 250
COMMIT_WAIT_SECONDS = 1.0


class BatchConsumerThread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]
    """aiokafka's consumer, in a thread with a loop of its own."""

    logger = logging.getLogger("faust.consumer")
    _committing: "asyncio.Future[None] | None" = None
    _paced: Any = None

    def _create_worker_consumer(self, transport: driver.Transport) -> AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        consumer._isolation_level = "read_committed"  # Faust ties it to exactly_once; start() reads it
        consumer._fetch_max_wait_ms = IDLE_WAIT_MS
        return consumer

    async def _fetch_records(self, consumer: AIOKafkaConsumer, *args: Any, **kwargs: Any) -> Any:
        if consumer._fetcher is not self._paced:
            self._paced = consumer._fetcher
            self._paced._get_actions_per_node = _paced(self._paced._get_actions_per_node, self.app.gather_ms / 1000)
        return await super()._fetch_records(consumer, *args, **kwargs)

    async def try_commit(self, offsets: Mapping[TP, int]) -> bool:
        """Waits 1 s. Faust would wait while the broker is away, even to stop, and crash on errors it does not know."""
        self.tp_last_committed_at.update(dict.fromkeys(offsets, time.monotonic()))  # Faust's livelock alarm looks here
        ours = self._committing is None or self._committing.done()
        if ours:
            ends = {TopicPartition(*tp): OffsetAndMetadata(offset, "") for tp, offset in offsets.items()}
            self._committing = asyncio.ensure_future(self._ensure_consumer().commit(ends))
            self._committing.add_done_callback(lambda done: done.cancelled() or done.exception())  # seen, so not logged
        assert self._committing is not None
        done, _ = await asyncio.wait([self._committing], timeout=COMMIT_WAIT_SECONDS)
        return ours and bool(done) and not self._committing.cancelled() and not self._committing.exception()


class BatchConsumer(driver.Consumer):  # type: ignore[misc]
    """One message a fetch. Its state is touched by the main loop only; `app.sink` owns the positions."""

    logger = logging.getLogger("faust.consumer")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._reseek: set[TP] = set()
        self._next: dict[TP, int] = {}  # where the next fetched batch starts
        self._done: dict[TP, int] = {}  # what the sink has
        self._epoch: defaultdict[TP, int] = defaultdict(int)
        self._open: defaultdict[TP, deque[tuple[int, int]]] = defaultdict(deque)  # fetched, not applied: (next, first record's time)

    @property
    def sink(self) -> Sink:
        return self.app.sink  # type: ignore[no-any-return]

    def _new_consumer_thread(self) -> BatchConsumerThread:
        return BatchConsumerThread(self, loop=self.loop, beacon=self.beacon, thread_loop=uvloop.new_event_loop())

    # ---- reading ----

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Called after every rebalance, before records flow again."""
        self._reseek |= self.assignment()
        return {}

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, ConsumerMessage]]:
        if not self.flow_active:
            await self.wait(self.can_resume_flow)
        await self._seek_where_asked()
        generation = self.app.consumer_generation_id
        fetched, _ = await self._wait_next_records(timeout)
        if not self.flow_active or generation != self.app.consumer_generation_id:
            self._reseek |= {FaustTP(*key) for key in fetched or ()}
        found = [(FaustTP(*key), records) for key, records in (fetched or {}).items()]
        batches = [self._batch(tp, records, generation) for tp, records in found if tp not in self._reseek and tp in self._next]
        if batches:
            yield batches[0].tp, _message(batches)

    def _batch(self, tp: TP, records: Sequence[ConsumerRecord], generation: int) -> Batch:
        start, last = self._next[tp], records[-1].offset
        if records[0].offset < start:
            raise LogLost(f"{tp}: position {start}, but Kafka went back to {records[0].offset}")
        self._next[tp] = last + 1
        self._read_offset[tp] = last  # or Faust notes a gap as long as the batch
        self.app.monitor.track_tp_end_offset(tp, self.highwater(tp))
        self._open[tp].append((last + 1, records[0].timestamp))
        return Batch(tp, start, last + 1, records, self._epoch[tp], generation)

    async def _seek_where_asked(self) -> None:
        wanted = {tp for tp in self._get_active_partitions() if tp in self._reseek or tp not in self._next}
        if not wanted:
            return
        self._reseek -= wanted  # first: whoever asks again while we wait is heard
        try:
            stored = await self.sink.positions(wanted)
            starts = {tp: stored.get(tp, 0) for tp in wanted}
            first, end = await self.earliest_offsets(*wanted), await self.highwaters(*wanted)
            await self.seek_wait(starts)
        except StoreLost:
            raise
        except Exception as error:
            log.warning("cannot seek to the stored positions yet: %r", error)
            self._reseek |= wanted
            await self.sleep(SEEK_RETRY_SECONDS)
            return
        for tp, start in starts.items():
            if start > end[tp] or (tp in stored and start < first[tp]):
                raise LogLost(f"{tp}: position {start} is outside Kafka's {first[tp]} to {end[tp]}")
            self._next[tp] = self._done[tp] = start
            self._acked[tp]  # makes the key: Faust commits only partitions named there
            self._epoch[tp] += 1
            self._open[tp].clear()

    # ---- what became of the batches ----

    def is_current(self, batch: Batch) -> bool:
        """Whether the batch is still this process's to apply. The flow stops when a rebalance waits for us."""
        ours = batch.epoch == self._epoch[batch.tp] and batch.generation == self.app.consumer_generation_id
        return bool(ours and self.flow_active and not self.app.should_stop)

    def applied(self, batch: Batch) -> None:
        self._done[batch.tp] = batch.next
        fetched = self._open[batch.tp]
        while fetched and fetched[0][0] <= batch.next:
            fetched.popleft()

    def start_again(self) -> None:
        """All partitions from the stored positions; what is fetched and queued is stale."""
        for tp in self.assignment():
            self._epoch[tp] += 1
            self._reseek.add(tp)

    def lags(self) -> dict[TP, int]:
        """Messages between what the sink has and the end of each assigned partition, as far as it is known."""
        ends = {tp: self.highwater(tp) for tp in self.assignment() if tp in self._done}
        return {tp: max(0, end - self._done[tp]) for tp, end in ends.items() if end is not None}

    def oldest(self) -> dict[TP, int]:
        """The time, epoch milliseconds, of each assigned partition's oldest message that is fetched and not applied."""
        return {tp: self._open[tp][0][1] for tp in self.assignment() if self._open[tp]}

    # ---- offsets committed to Kafka, for dashboards ----

    def _new_offset(self, tp: TP) -> int | None:
        self._acked[tp].clear()
        self._acked_index[tp].clear()
        return self._done.get(tp)

    async def _commit_offsets(self, offsets: Mapping[TP, int], start_new_transaction: bool = True) -> bool:
        ours = {tp: offset for tp, offset in offsets.items() if tp in self.assignment()}
        failpoint("before_offset_commit")
        if not ours or not await self._thread.call_thread(self._thread.try_commit, ours):
            return False
        self._committed_offset.update(ours)
        self.app.monitor.on_tp_commit(ours)
        return True

    def on_buffer_full(self, tp: TP) -> None:
        """Nothing: the short queue holds the fetcher back. Faust's way sleeps 1 s once every partition is full."""


def _message(batches: Sequence[Batch]) -> ConsumerMessage:
    """What Faust passes on; it looks at the first batch's partition and offset only."""
    first = batches[0]
    offset, generation = first.next - 1, first.generation
    return ConsumerMessage(*first.tp, offset, time.time(), 0, None, None, batches, None, 0, 0, first.tp, generation_id=generation)


Actions = tuple[list[tuple[int, Any]], Any, float, Any, Any]
"""What aiokafka's fetcher does next: fetches by broker; then seconds in which it looks again, in the third place."""


def _paced(actions: Callable[[Any], Actions], seconds: float, monotonic: Callable[[], float] = time.monotonic) -> Callable[[Any], Actions]:
    """The same, but fetches from a broker so many seconds apart at least."""
    due: dict[int, float] = {}

    def paced(assignment: Any) -> Actions:
        fetches, resets, again, *rest = actions(assignment)
        now = monotonic()
        early = [due[node] - now for node, _ in fetches if due.get(node, now) > now]
        ready = [(node, request) for node, request in fetches if due.get(node, now) <= now]
        due.update((node, now + seconds) for node, _ in ready)
        return ready, resets, min([again, *early]), *rest

    return paced
