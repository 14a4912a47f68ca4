"""A full disk, or any store that refuses: nothing moves on, it is said, and it passes when there is room again."""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from sqlite3 import OperationalError
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from services.runtime import worker as module
from services.runtime.batches import TP, Batch
from services.runtime.event_store import Transaction
from services.runtime.event_store_sqlite import SQLiteEventStore
from services.runtime.kafka import KafkaConnection
from services.runtime.stage import Message, Record
from services.runtime.worker import CommitLost, Worker


class Quiet:
    """A stage to which nothing matters."""

    name = "quiet"
    route: dict[str, str] = {}

    def decide(self, records: Sequence[Record]) -> Transaction:
        return Transaction()

    def tick(self, now_ms: int) -> Transaction | None:
        return None

    def snapshots(self, originators: Collection[UUID]) -> Iterable[Message]:
        return ()

    def forget(self) -> None:
        pass


class FullStore(SQLiteEventStore):
    """Refuses to commit while it is full."""

    full = True

    def finish(self) -> None:
        if self.full:
            self._db.execute("ROLLBACK")
            raise OSError("no space left on device")
        super().finish()


class UndoneStore(SQLiteEventStore):
    """Fails once in the middle of a write, where SQLite takes back by itself what was written."""

    failed = False

    def _insert_events(self, transaction: Transaction) -> None:
        if not self.failed:
            self.failed = True
            self._db.execute("ROLLBACK")
            raise OperationalError("disk I/O error")
        super()._insert_events(transaction)


def test_a_write_that_sqlite_took_back_by_itself_says_why_and_the_next_one_works(tmp_path: Path) -> None:
    store = UndoneStore(tmp_path / "store.sqlite")
    with pytest.raises(OperationalError, match="disk I/O error"):
        store.commit(Transaction(positions={"t:0": (0, 1)}))
    store.commit(Transaction(positions={"t:0": (0, 1)}))
    assert store.positions() == {"t:0": 1}


def batch(start: int) -> Batch:
    record: Any = SimpleNamespace(topic="t", partition=0, offset=start, key=b"k", value=b"v", headers=(), timestamp=0)
    return Batch(TP("t", 0), start, start + 1, [record], 1, 1)


def test_a_store_that_is_full_is_a_problem_that_is_shown_until_a_commit_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "UNHEALTHY_SECONDS", -1.0)
    store = FullStore(tmp_path / "store.sqlite")
    worker = Worker(Quiet(), store, KafkaConnection("127.0.0.1:1"))

    async def story() -> tuple[str | None, str | None, dict[str, int]]:
        await worker.apply([batch(0)])
        with pytest.raises(CommitLost):
            await worker.apply([batch(1)])
        while_full = worker.problem()
        FullStore.full = False
        await worker.apply([batch(0)])
        await worker._settled()
        return while_full, worker.problem(), store.positions()

    monkeypatch.setattr(FullStore, "full", True)
    while_full, afterwards, positions = asyncio.run(story())
    assert while_full == "storing: OSError('no space left on device')"
    assert afterwards is None
    assert positions == {"t:0": 1}
