"""Commands to a stage: answered once what was decided is durable, and decided again where another writer was faster."""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from services.runtime.commands import Commands, Unanswered
from services.runtime.event_store import Transaction
from services.runtime.event_store_sqlite import SQLiteEventStore
from services.runtime.kafka import KafkaConnection
from services.runtime.stage import Message, Record
from services.runtime.worker import CommitLost, Worker


class Counter:
    """A stage that adds up: a command says how much, and is answered with the sum; it refuses to go past ten."""

    name = "adding"
    route: dict[str, str] = {}

    def __init__(self, store: SQLiteEventStore) -> None:
        self._store = store
        self._sum: int | None = None

    def answer(self, commands: Sequence[Any]) -> tuple[Transaction, Sequence[Any]]:
        before = self._sum if self._sum is not None else int(self._store.rows("sum", ["sum"]).get("sum", b"0"))
        self._sum, answers = before, []
        for command in commands:
            if self._sum + command <= 10:
                self._sum += command
                answers.append(f"it is {self._sum}")
            else:
                answers.append(f"it is {self._sum}, and that would be too much")
        return Transaction(rows={"sum": {"sum": b"%d" % self._sum}} if self._sum != before else {}), answers

    def decide(self, records: Sequence[Record]) -> Transaction:
        return Transaction()

    def tick(self, now_ms: int) -> Transaction | None:
        return None

    def snapshots(self, originators: Collection[UUID]) -> Iterable[Message]:
        return ()

    def forget(self) -> None:
        self._sum = None


class Store(SQLiteEventStore):
    """Another process publishes; ``full``: nothing can be committed."""

    full = False

    def publisher_lock(self) -> bool:
        return False

    def finish(self) -> None:
        if self.full:
            self._db.execute("ROLLBACK")
            raise OSError("no space left on device")
        super().finish()


def worker_on(path: Path) -> tuple[Worker, Store]:
    store = Store(path / "store.sqlite", kinds=["sum"])
    return Worker(Counter(store), store, KafkaConnection("127.0.0.1:1")), store


async def asked(worker: Worker, *commands: int) -> list[str]:
    asking = [asyncio.create_task(worker.commands.ask(command)) for command in commands]
    await asyncio.sleep(0)
    await worker.tick()
    return await asyncio.gather(*asking)


def test_commands_that_wait_are_decided_one_after_another_in_one_transaction(tmp_path: Path) -> None:
    worker, store = worker_on(tmp_path)
    written: list[Transaction] = []
    write = store.write
    store.write = lambda transaction: written.append(transaction) or write(transaction)  # type: ignore[method-assign,func-returns-value]

    assert asyncio.run(asked(worker, 4, 5, 3, 1)) == ["it is 4", "it is 9", "it is 9, and that would be too much", "it is 10"]
    assert len(written) == 1
    assert store.rows("sum", ["sum"]) == {"sum": b"10"}


def test_an_answer_counts_what_another_process_committed_also_where_it_is_a_refusal(tmp_path: Path) -> None:
    (one, _), (other, _) = worker_on(tmp_path), worker_on(tmp_path)

    async def story() -> list[str]:
        said = [*(await asked(one, 6)), *(await asked(other, 4))]
        return [*said, *(await asked(one, 1)), *(await asked(other, -8)), *(await asked(one, 5))]

    assert asyncio.run(story()) == ["it is 6", "it is 10", "it is 10, and that would be too much", "it is 2", "it is 7"]


def test_what_could_not_be_stored_is_not_answered_and_is_not_there(tmp_path: Path) -> None:
    worker, store = worker_on(tmp_path)

    async def story() -> list[str]:
        store.full = True
        asking = asyncio.create_task(worker.commands.ask(6))
        await asyncio.sleep(0)
        with pytest.raises(CommitLost):
            await worker.tick()
        with pytest.raises(Unanswered, match="no space left"):
            await asking
        store.full = False
        return await asked(worker, 5)

    assert asyncio.run(story()) == ["it is 5"]


def test_whoever_is_not_answered_in_time_is_told_and_no_longer_waits() -> None:
    async def story() -> None:
        commands = Commands(within=0.0, most=1)
        with pytest.raises(Unanswered, match="no answer within 0 s"):
            await commands.ask("anything")
        assert commands.take() == []

    asyncio.run(story())


def test_no_more_may_wait_than_the_limit_and_none_once_it_is_closed() -> None:
    async def story() -> None:
        commands = Commands(within=60.0, most=2)
        waiting = [asyncio.create_task(commands.ask(n)) for n in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(Unanswered, match="2 commands are waiting already"):
            await waiting[2]
        commands.close()
        for one in (*waiting[:2], asyncio.create_task(commands.ask(4))):
            with pytest.raises(Unanswered, match="stopping"):
                await one

    asyncio.run(story())
