"""Numbers into Kafka, counting workers as processes, and a plain count of what must have come out."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.partitioner import DefaultPartitioner

from services.runtime.event_store import EventStore
from services.runtime.kafka import KafkaConnection, TopicSpec, ensure_topics, new_consumer, new_producer
from tests.runtime.counting_worker import open_store

ROOT = Path(__file__).parents[2]
PARTITIONS = 4
Keyed = tuple[bytes, bytes, list[tuple[str, bytes]]]


class CountingWorker:
    """A worker process."""

    def __init__(self, arguments: Sequence[str]) -> None:
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.runtime.counting_worker", *arguments],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )

    @property
    def metrics_port(self) -> int:
        """Waits until the process is up."""
        if not hasattr(self, "_port"):
            assert self.process.stdout
            line = self.process.stdout.readline()
            assert line.startswith("ready"), f"the worker did not start: {self.process.wait(10)}"
            self._port = int(line.split()[2])
        return self._port

    def metrics(self) -> dict[str, float]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics") as page:
            lines = [line for line in page.read().decode().splitlines() if not line.startswith("#")]
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}

    def has_partitions(self) -> bool:
        return any(name.startswith("rapport_lag_messages{") for name in self.metrics())

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)

    def leave(self) -> int:
        """SIGTERM; the exit code, which must come within 10 s."""
        self.process.terminate()
        return self.process.wait(10)


class CountingFlow:
    """Topics, store and group of one test."""

    def __init__(self, bootstrap: str, store: str) -> None:
        name = uuid4().hex[:8]
        self.input, self.events, self.snapshots = f"in-{name}", f"events-{name}", f"snapshots-{name}"
        self.connection, self.store, self.group = KafkaConnection(bootstrap), store, f"group-{name}"
        self.sent: list[tuple[int, str]] = []
        self._workers: list[CountingWorker] = []
        compacted = TopicSpec(self.snapshots, PARTITIONS, config={"cleanup.policy": "compact"})
        topics = [TopicSpec(self.input, PARTITIONS), TopicSpec(self.events, PARTITIONS), compacted]
        asyncio.run(ensure_topics(self.connection, topics))

    def worker(self, *arguments: str) -> CountingWorker:
        named = {
            "bootstrap": self.connection.bootstrap,
            "store": self.store,
            "group": self.group,
            "input": self.input,
            "events": self.events,
            "snapshots": self.snapshots,
        }
        given = [word for name, value in named.items() for word in (f"--{name}", value)]
        self._workers.append(CountingWorker([*given, *arguments]))
        return self._workers[-1]

    def send(self, count: int, senders: int = 500, padding: int = 200) -> None:
        """The next `count` numbers, spread over senders and partitions."""
        first = len(self.sent)
        fresh = [(number, f"sender {number * 7919 % senders}") for number in range(first, first + count)]
        self.send_these(fresh, padding)

    def send_these(self, messages: Iterable[tuple[int, str]], padding: int = 0, with_ids: bool = False) -> None:
        """`with_ids`: each number is in a header `id` too, as an outbox does it."""
        sent = list(messages)
        self.send_raw(
            (
                sender.encode(),
                json.dumps({"number": number, "sender": sender, "padding": "x" * padding}).encode(),
                [("id", b"%d" % number)] if with_ids else [],
            )
            for number, sender in sent
        )
        self.sent += sent

    def send_raw(self, messages: Iterable[Keyed]) -> None:
        asyncio.run(produce(self.connection, self.input, messages))

    def close(self) -> None:
        for worker in self._workers:
            if worker.process.poll() is None:
                worker.signal(signal.SIGCONT)
                worker.kill()

    # ---- what came out ----

    def published(self) -> list[ConsumerRecord]:
        return asyncio.run(read_all(self.connection, self.events))

    def wait_for_published(self, count: int, seconds: float = 60) -> None:
        """Until so many different events are on the topic."""
        wait_until(lambda: asyncio.run(size(self.connection, self.events)) >= count, seconds)
        wait_until(lambda: len({header(r, "id") for r in self.published()}) >= count, seconds)

    def check_exactly_once(self, reminders: int = 0) -> None:
        """Everything sent is in the store once, in gap-free streams, and on the topic in order, repeats told by id."""
        store = open_store(self.store)
        try:
            stored = self._check_store(store, reminders)
        finally:
            store.close()
        seen: dict[int, ConsumerRecord] = {}
        highest: Counter[int] = Counter()
        for record in self.published():
            id = int(header(record, "id"))
            if id > highest[record.partition]:
                highest[record.partition] = id
                seen[id] = record
        assert sorted(seen) == list(range(1, len(stored) + 1))
        partitioner = DefaultPartitioner()
        for event in stored:
            record = seen[event.id]
            assert record.key == str(event.originator).encode()
            assert record.value == event.state
            assert header(record, "type") == event.type
            assert int(header(record, "sequence")) == event.version
            assert record.partition == partitioner(record.key, list(range(PARTITIONS)), [])

    def _check_store(self, store: EventStore, reminders: int) -> list[Any]:
        stored = store.events_after(0, 10_000_000)
        assert [event.id for event in stored] == list(range(1, len(self.sent) + reminders + 1))
        counted = [json.loads(event.state) for event in stored if event.type == "counted"]
        assert Counter((one["number"], one["sender"]) for one in counted) == Counter(self.sent)
        versions: dict[Any, int] = defaultdict(int)
        for event in stored:
            versions[event.originator] += 1
            assert event.version == versions[event.originator]
        assert sum(store.positions().values()) >= len(self.sent)
        return stored

    def newest_snapshots(self) -> dict[str, tuple[int, int]]:
        """sender -> (version, total)"""
        newest = {record.key: json.loads(record.value) for record in asyncio.run(read_all(self.connection, self.snapshots))}
        return {one["sender"]: (one["version"], one["total"]) for one in newest.values()}

    def expected_snapshots(self) -> dict[str, tuple[int, int]]:
        counts, totals = Counter(sender for _, sender in self.sent), Counter[str]()
        for number, sender in self.sent:
            totals[sender] += number
        return {sender: (counts[sender], totals[sender]) for sender in counts}


@contextmanager
def counting_flow(bootstrap: str, store: str) -> Iterator[CountingFlow]:
    flow = CountingFlow(bootstrap, store)
    try:
        yield flow
    finally:
        flow.close()


def header(record: ConsumerRecord, name: str) -> str:
    return bytes(dict(record.headers)[name]).decode()


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)


async def produce(connection: KafkaConnection, topic: str, messages: Iterable[Keyed]) -> None:
    producer = new_producer(connection)
    await producer.start()
    partitioner, batches = DefaultPartitioner(), [producer.create_batch() for _ in range(PARTITIONS)]
    try:
        for key, value, headers in messages:
            partition = partitioner(key, list(range(PARTITIONS)), [])
            row = {"key": key, "value": value, "timestamp": int(time.time() * 1000), "headers": headers}
            if batches[partition].append(**row) is None:
                await (await producer.send_batch(batches[partition], topic, partition=partition))
                batches[partition] = producer.create_batch()
                batches[partition].append(**row)
        for partition, batch in enumerate(batches):
            if batch.record_count():
                await (await producer.send_batch(batch, topic, partition=partition))
    finally:
        await producer.stop()


async def size(connection: KafkaConnection, topic: str) -> int:
    consumer = new_consumer(connection)
    await consumer.start()
    try:
        return sum((await consumer.end_offsets([TopicPartition(topic, n) for n in range(PARTITIONS)])).values())
    finally:
        await consumer.stop()


async def read_all(connection: KafkaConnection, topic: str) -> list[ConsumerRecord]:
    consumer = new_consumer(connection)
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, n) for n in range(PARTITIONS)]
        ends = await consumer.end_offsets(partitions)
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        found: list[ConsumerRecord] = []
        while any([await consumer.position(tp) < ends[tp] for tp in partitions]):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found += records
        return found
    finally:
        await consumer.stop()
