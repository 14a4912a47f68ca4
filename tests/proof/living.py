"""A living installation without Kafka: a log in memory, both stages over real stores, worked as their workers would."""

import json
import shutil
import zlib
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from pydantic import SecretStr

from schemas import topics
from services.loyalty import programme_file
from services.loyalty.app import PROCESS as LOYALTY
from services.loyalty.stage import LoyaltyStage
from services.profile.app import PROCESS as PROFILE
from services.profile.app import identity_policy, lifecycle_policy
from services.profile.stage import ProfileStage
from services.proof.refold import Refold, accepted_redemptions, refused_as_conflicting
from services.proof.stores_compared import Compared
from services.runtime.batches import TP, Batch
from services.runtime.clock import SetClock
from services.runtime.event_store import BeingExchanged, EventStore, RecordedEvent, Stale, Transaction
from services.runtime.log_reader import Fetched
from services.runtime.seen_messages import SeenMessages, mark
from services.runtime.settings import Settings, StoreSettings
from services.runtime.stage import Stage
from services.runtime.stage_process import StageProcess, open_store
from services.runtime.store_snapshot import open_snapshot
from tests.profile.touchpoints import Record
from tests.proof.both_ways import compared_both_ways
from tests.proof.installation import IDENTITY, NOW_MS

PARTITIONS = {topics.QUARANTINE.name: 1}


class MemoryLog:
    """Topics of two partitions. A key's messages keep their order."""

    def __init__(self) -> None:
        self.records: dict[TP, list[Record]] = {}

    def append(self, topic: str, key: str, value: bytes, headers: tuple[tuple[str, bytes], ...] = ()) -> None:
        tp = TP(topic, zlib.crc32(key.encode()) % PARTITIONS.get(topic, 2))
        records = self.records.setdefault(tp, [])
        records.append(Record(value, len(records), tp.partition, topic, key.encode(), headers))

    def of(self, topic: str) -> list[Record]:
        return [record for tp, records in sorted(self.records.items()) if tp.topic == topic for record in records]

    async def ends(self, topics: Collection[str]) -> dict[TP, int]:
        return {tp: len(records) for tp, records in self.records.items() if tp.topic in topics}

    async def read(self, starts: Mapping[TP, int], ends: Mapping[TP, int], most: int = 8_000) -> AsyncIterator[Fetched]:
        for tp, end in ends.items():
            if found := self.records.get(tp, [])[starts.get(tp, 0) : end]:
                for begin in range(0, len(found), 3):
                    yield {tp: found[begin : begin + 3]}


class LivingStage:
    """One stage as its worker runs it: batches in, events out to the log, decided again after Stale."""

    def __init__(self, log: MemoryLog, process: StageProcess, store: EventStore, stage: Stage) -> None:
        self.log, self.process, self.store, self.stage = log, process, store, stage

    def work(self, publish: bool = True) -> None:
        for tp, records in list(self.log.records.items()):
            if tp.topic in self.process.topics:
                self._take(tp, records)
        if publish:
            self.publish()

    def _take(self, tp: TP, records: list[Record]) -> None:
        while True:
            name = f"{tp.topic}:{tp.partition}"
            start = self.store.positions().get(name, 0)
            if not (fresh := records[start:]):
                return
            seen = SeenMessages(self.store)
            kept, highest = seen.fresh([Batch(tp, start, len(records), fresh, 0, 0)]) if self.process.deduplicate_by_id else (fresh, {})
            transaction = self.stage.decide(kept)
            transaction.positions = {name: (start, len(records))}
            transaction.watermarks = {mark(one): id for one, id in highest.items()}
            try:
                if self.commit(transaction):
                    return
            except BeingExchanged:
                self.stage.forget()
                return  # it comes again

    def commit(self, transaction: Transaction) -> bool:
        try:
            self.store.commit(transaction)
        except Stale:
            self.stage.forget()
            return False
        return True

    def tick(self, now_ms: int) -> None:
        self.store.refresh()
        self.stage.forget()
        while (transaction := self.stage.tick(now_ms)) is not None and not transaction.is_empty():
            assert self.commit(transaction)

    def publish(self, most: int = 100_000) -> None:
        """As the outbox does."""
        self.store.refresh()
        for event in self.store.events_after(self.store.watermark("published"), most):
            self._say(event)
            self.store.set_watermark("published", event.id)

    def _say(self, event: RecordedEvent) -> None:
        topic = self.stage.route[event.type]
        headers = (("id", b"%d" % event.id), ("type", event.type.encode()), ("sequence", b"%d" % event.version))
        self.log.append(topic, str(event.originator), event.state, headers)


class Living:
    """Both stages of an installation in a folder, on SQLite or PostgreSQL."""

    def __init__(self, folder: Path, postgres: str | None = None) -> None:
        self.folder, self.log, self.clock = folder, MemoryLog(), SetClock(NOW_MS)
        url = SecretStr(postgres) if postgres else None
        self.settings = Settings(data_dir=folder, identity=IDENTITY, store=StoreSettings(url=url))
        self.open()

    def open(self) -> None:
        identity, lifecycle = identity_policy(self.settings.identity), lifecycle_policy(self.settings.lifecycle)
        store, ledger = open_store(self.settings, PROFILE), open_store(self.settings, LOYALTY)
        self.profile = LivingStage(self.log, PROFILE, store, ProfileStage(store, identity, lifecycle, self.clock))
        self.loyalty = LivingStage(self.log, LOYALTY, ledger, LoyaltyStage(ledger, programme_file.load(), self.clock))

    def say(self, *touchpoints: dict[str, Any]) -> None:
        for one in touchpoints:
            self.log.append(topics.TOUCHPOINTS.name, one["identifiers"][0]["value"], json.dumps(one).encode())

    def work(self) -> None:
        self.profile.work()
        self.loyalty.work()

    def tick(self, now_ms: int) -> None:
        """What is overdue does not wait any longer."""
        self.clock.set(now_ms)
        self.profile.tick(now_ms)
        self.profile.publish()
        self.loyalty.work()
        self.loyalty.tick(now_ms + 60_000)
        self.loyalty.publish()

    def close(self) -> None:
        self.profile.store.close()
        self.loyalty.store.close()

    def compared(self, scratch: Path) -> tuple[Compared, Compared]:
        """Both stores with a fold of the log."""
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        now_ms = self.clock.now_ms() + 60_000
        with open_snapshot(self.settings, "profile") as profile, open_snapshot(self.settings, "loyalty") as loyalty:
            refold = Refold(scratch, self.settings, now_ms, refused_as_conflicting(profile))
            refold.take(self.log.of(topics.TOUCHPOINTS.name))
            refold.end_of_log()
            list(refold.fold_loyalty(now_ms, accepted_redemptions(self.log.of(topics.LOYALTY_CHANGES.name), 1 << 60)))
            with refold.profile() as expected, refold.loyalty() as expected_accounts:
                compared = compared_both_ways(expected, profile, expected_accounts, loyalty)
            refold.close()
        return compared


@contextmanager
def living_on(request: pytest.FixtureRequest, folder: Path) -> Iterator[Living]:
    """On what the fixture's parameter says: sqlite or postgres."""
    address = request.getfixturevalue("postgres_address") if request.param == "postgres" else None
    if address:
        with psycopg.connect(address, autocommit=True) as db:
            for schema in (f"{stage}{end}" for stage in ("profile", "loyalty") for end in ("", "_rebuilt", "_replaced")):
                db.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE".encode())
    living = Living(folder / "data", address)
    yield living
    living.close()


def heard(log: MemoryLog, topic: str) -> list[RecordedEvent]:
    """As a subscriber reads it: repeats dropped by id within each partition; in the order of ids."""
    highest: dict[int, int] = {}
    events = []
    for record in log.of(topic):
        headers = dict(record.headers)
        id, version = int(headers["id"]), int(headers["sequence"])
        if id > highest.get(record.partition, 0):
            highest[record.partition] = id
            assert record.key
            events.append((id, record.key.decode(), version, headers["type"].decode(), record.value))
    return [RecordedEvent(id, UUID(key), version, type, state) for id, key, version, type, state in sorted(events)]
