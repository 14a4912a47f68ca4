"""A worker that was overtaken takes its turn before it decides again, so that its work is not thrown away a second time."""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from uuid import UUID

import pytest

from services.runtime.batches import TP, Batch, NotYet
from services.runtime.event_store import Transaction
from services.runtime.event_store_sqlite import SQLiteEventStore
from services.runtime.kafka import KafkaConnection
from services.runtime.stage import Message, Record
from services.runtime.worker import TURNS, Worker


class Store(SQLiteEventStore):
    """Notes what it is asked for. Another process publishes; ``overtaken``: so many times another writer is faster."""

    def __init__(self, path: Path, overtaken: int = 0, granted: bool = True) -> None:
        self.said: list[str] = []
        self.overtaken, self.granted = overtaken, granted
        self._path_of_others = path
        super().__init__(path, kinds=["sum"])

    def publisher_lock(self) -> bool:
        return False

    def take_turn(self) -> bool:
        self.said.append("turn")
        return self.granted

    def leave_turn(self) -> None:
        self.said.append("leave")

    def write(self, transaction: Transaction) -> int:
        if self.overtaken:
            self.overtaken -= 1
            other = SQLiteEventStore(self._path_of_others, kinds=["sum"])
            other.commit(Transaction(rows={"sum": {"other": b"%d" % self.overtaken}}))
            other.close()
        self.said.append("write")
        return super().write(transaction)


class Stage:
    """Notes when it decides, and fails when it should."""

    name = "noting"
    route: dict[str, str] = {}

    def __init__(self, store: Store, fails: bool = False) -> None:
        self._store, self.fails = store, fails

    def decide(self, records: Sequence[Record]) -> Transaction:
        if self.fails:
            raise ValueError("no good")
        self._store.said.append("decide")
        return Transaction(rows={"sum": {"ours": b"1"}})

    def tick(self, now_ms: int) -> Transaction | None:
        return None

    def snapshots(self, originators: Collection[UUID]) -> Iterable[Message]:
        return ()

    def forget(self) -> None:
        self._store.said.append("forget")


class Arrived:
    timestamp = 0


def batch(start: int) -> list[Batch]:
    return [Batch(TP("numbers", 0), start, start + 1, [Arrived()], 1, 1)]  # type: ignore[list-item]


async def worked(worker: Worker, *starts: int) -> None:
    for start in starts:
        await worker.apply(batch(start))
    await worker._settled()


def test_while_nobody_else_writes_no_turn_is_taken(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    asyncio.run(worked(Worker(Stage(store), store, KafkaConnection("127.0.0.1:1")), 0, 1))
    assert store.said == ["forget", "decide", "write", "decide", "write"]


def test_who_was_overtaken_decides_again_in_its_turn_and_goes_on_so_until_nobody_else_writes(tmp_path: Path) -> None:
    store = Store(tmp_path / "store", overtaken=1)
    asyncio.run(worked(Worker(Stage(store), store, KafkaConnection("127.0.0.1:1")), *range(TURNS + 2)))
    first, again = ["forget", "decide", "write", "leave"], ["turn", "forget", "decide", "write"]
    assert store.said[:8] == first + again
    assert store.said[8:].count("turn") == TURNS - 1
    assert store.said[-4:] == ["decide", "write"] * 2
    assert "forget" not in store.said[8:]


def test_whose_turn_does_not_come_waits_with_its_batch(tmp_path: Path) -> None:
    store = Store(tmp_path / "store", overtaken=1, granted=False)
    worker = Worker(Stage(store), store, KafkaConnection("127.0.0.1:1"))
    with pytest.raises(NotYet):
        asyncio.run(worked(worker, 0))
    store.granted = True
    asyncio.run(worked(worker, 0))
    assert store.rows("sum", ["ours"]) == {"ours": b"1"}


def test_who_fails_in_its_turn_lets_the_others_in(tmp_path: Path) -> None:
    store = Store(tmp_path / "store", overtaken=1)
    stage = Stage(store)
    worker = Worker(stage, store, KafkaConnection("127.0.0.1:1"))
    asyncio.run(worked(worker, 0))
    stage.fails = True
    with pytest.raises(ValueError, match="no good"):
        asyncio.run(worked(worker, 1))
    assert store.said[-2:] == ["turn", "leave"]
