"""A whole worker process with the smallest real stage: it counts what each sender sent, and publishes each message.

python counting_worker.py --bootstrap HOST:PORT --store FILE|postgresql://… --group G --input T --events T --snapshots T
"""

import argparse
import os
import sqlite3
import sys
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from random import Random
from uuid import NAMESPACE_URL, UUID, uuid5

import msgspec
import uvloop

from services.runtime.event_store import EventStore, NewEvent, Transaction
from services.runtime.event_store_sqlite import SQLiteEventStore
from services.runtime.kafka import KafkaConnection
from services.runtime.logging import configure_logging
from services.runtime.metrics import serve_metrics
from services.runtime.stage import Message, Record
from services.runtime.stream import build, run
from services.runtime.worker import Worker


class Sent(msgspec.Struct):
    """An input message."""

    number: int
    sender: str


class Account(msgspec.Struct):
    """What is known of a sender."""

    sender: str
    version: int = 0
    total: int = 0


read_sent, read_account = msgspec.json.Decoder(Sent).decode, msgspec.json.Decoder(Account).decode
write = msgspec.json.Encoder().encode


@lru_cache(maxsize=200_000)
def account_id(sender: str) -> UUID:
    return uuid5(NAMESPACE_URL, sender)


class CountingStage:
    """Every message is an event of its sender; a sender whose name starts with "remind" is reminded, by time alone."""

    name = "counting"

    def __init__(self, store: EventStore, events: str, snapshots: str) -> None:
        self._store, self._snapshot_topic = store, snapshots
        self.route = {"counted": events, "reminded": events}
        self._accounts: dict[UUID, Account] = {}

    def decide(self, records: Sequence[Record]) -> Transaction:
        sent = [read_sent(record.value or b"") for record in records]
        self._load({account_id(one.sender) for one in sent})
        transaction = Transaction(outcomes=Counter({("applied", ""): len(sent)}))
        touched = set()
        for one in sent:
            id = account_id(one.sender)
            account = self._accounts.setdefault(id, Account(one.sender))
            account.version += 1
            account.total += one.number
            touched.add(id)
            transaction.events.append(NewEvent(id, account.version, "counted", write(one)))
            if one.sender.startswith("remind"):
                transaction.timers[str(id)] = 0
        transaction.rows["account"] = {str(id): write(self._accounts[id]) for id in touched}
        return transaction

    def _load(self, ids: Collection[UUID]) -> None:
        missing = [str(id) for id in ids if id not in self._accounts]
        for key, value in self._store.rows("account", missing).items():
            self._accounts[UUID(key)] = read_account(value)

    def tick(self, now_ms: int) -> Transaction | None:
        due = self._store.due(now_ms, 100)
        if not due:
            return None
        self._load({UUID(key) for key in due})
        transaction = Transaction(timers=dict.fromkeys(due))
        for key in due:
            account = self._accounts[UUID(key)]
            account.version += 1
            transaction.events.append(NewEvent(UUID(key), account.version, "reminded", b"{}"))
            transaction.rows.setdefault("account", {})[key] = write(account)
        return transaction

    def snapshots(self, originators: Collection[UUID]) -> Iterable[Message]:
        self._load(originators)
        for id in originators:
            account = self._accounts[id]
            headers = (("sequence", b"%d" % account.version),)
            yield Message(self._snapshot_topic, str(id).encode(), write(account), headers)

    def forget(self) -> None:
        self._accounts.clear()


class UnreliableStore(SQLiteEventStore):
    """Fails in one of five transactions: before it, after it, or so that nobody knows."""

    chance = Random(5).random

    def write(self, transaction: Transaction) -> int:
        if self.chance() < 0.1:
            raise sqlite3.OperationalError("disk I/O error")
        return super().write(transaction)

    def finish(self) -> None:
        chance = self.chance()
        if self._db.in_transaction and chance < 0.05:
            self._db.execute("ROLLBACK")
        else:
            super().finish()
        if chance < 0.1:
            self._head = -1
            raise sqlite3.OperationalError("disk I/O error")


def open_store(where: str, unreliable: bool = False) -> EventStore:
    if where.startswith("postgresql://"):
        from services.runtime.event_store_postgres import PostgresEventStore

        return PostgresEventStore(where, schema="counting", kinds=["account"])
    kind = UnreliableStore if unreliable else SQLiteEventStore
    return kind(Path(where), kinds=["account"])


async def main(options: argparse.Namespace) -> int:
    connection = KafkaConnection(options.bootstrap)
    store = open_store(options.store, options.unreliable)
    stage = CountingStage(store, options.events, options.snapshots)
    async with Worker(
        stage,
        store,
        connection,
        deduplicate_by_id=options.deduplicate,
        snapshot_seconds=options.snapshot_seconds,
    ) as worker:
        app = build(
            connection,
            options.group,
            [options.input],
            worker,
            stage=stage.name,
            max_records=options.max_records,
            session_seconds=options.session_seconds,
            **({"consumer_group_instance_id": options.member} if options.member else {}),
        )
        port, _ = serve_metrics(0, app.joiner.problem)
        print("ready", os.getpid(), port, flush=True)
        return await run(app)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for name in ("bootstrap", "store", "group", "input", "events", "snapshots"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--member")
    parser.add_argument("--deduplicate", action="store_true")
    parser.add_argument("--unreliable", action="store_true")
    parser.add_argument("--snapshot-seconds", type=float, default=1.0)
    parser.add_argument("--max-records", type=int, default=8_000)
    parser.add_argument("--session-seconds", type=float, default=2.0)
    configure_logging("info")
    sys.exit(uvloop.run(main(parser.parse_args())))
