"""What a worker makes of an unusual log: repeats, transactions, messages it cannot decide, a log that was lost."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.runtime.event_store import Transaction
from services.runtime.event_store_sqlite import SQLiteEventStore
from services.runtime.kafka import new_producer
from tests.runtime.counting_flow import CountingFlow, counting_flow, wait_until

REPEATED = 'rapport_messages_total{outcome="duplicate",reason="already_seen",stage="counting"}'
FAILED = 'rapport_batches_total{result="failed",stage="counting"}'


@pytest.fixture
def flow(kafka: str, tmp_path: Path) -> Iterator[CountingFlow]:
    with counting_flow(kafka, str(tmp_path / "store.db")) as flow:
        yield flow


def test_what_an_outbox_repeats_is_dropped_by_its_id_also_after_a_restart(flow: CountingFlow) -> None:
    # given
    flow.send_these(((n, f"sender {n % 7}") for n in range(1, 301)), with_ids=True)
    first = flow.worker("--deduplicate", "--member", "one")
    flow.wait_for_published(300)
    # when
    repeated = flow.sent[150:]
    flow.send_these(repeated, with_ids=True)
    wait_until(lambda: first.metrics().get(REPEATED) == 150)
    first.kill()
    flow.send_these(repeated[:50], with_ids=True)
    flow.sent = flow.sent[:300]
    flow.send_these([(301, "sender 1")], with_ids=True)
    second = flow.worker("--deduplicate", "--member", "one")
    # then
    flow.wait_for_published(301)
    flow.check_exactly_once()
    wait_until(lambda: second.metrics().get(REPEATED) == 50)


def test_a_foreign_id_header_is_not_an_id(flow: CountingFlow) -> None:
    flow.send_raw([(b"k", b'{"number":1,"sender":"a"}', [("id", b"not a number")])])
    flow.send_raw([(b"k", b'{"number":2,"sender":"a"}', [("id", b"")])])
    flow.sent = [(1, "a"), (2, "a")]
    flow.worker("--deduplicate")
    flow.wait_for_published(2)
    flow.check_exactly_once()


def test_aborted_transactions_are_not_read_and_markers_leave_no_trace(flow: CountingFlow) -> None:
    # given
    async def transact() -> None:
        producer = new_producer(flow.connection, transactional_id=flow.group)
        await producer.start()
        for number, abort in ((1, False), (2, True), (3, False), (4, True)):
            await producer.begin_transaction()
            await producer.send_and_wait(flow.input, b'{"number":%d,"sender":"a"}' % number, partition=0)
            await (producer.abort_transaction() if abort else producer.commit_transaction())
        await producer.stop()

    worker = flow.worker()
    # when
    asyncio.run(transact())
    flow.send(10)
    flow.sent += [(1, "a"), (3, "a")]
    # then
    flow.wait_for_published(12)
    flow.check_exactly_once()
    assert worker.leave() == 0


def test_a_message_that_cannot_be_decided_is_retried_and_nothing_behind_it_is_skipped(flow: CountingFlow) -> None:
    # given
    flow.send_raw([(b"k", b"not json", [])])
    worker = flow.worker()
    # then
    wait_until(lambda: worker.metrics().get(FAILED, 0) >= 3)
    with SQLiteStore(flow.store) as store:
        assert store.positions() == {}
    assert worker.leave() == 0


def test_a_position_beyond_the_log_ends_the_process_instead_of_starting_over(flow: CountingFlow) -> None:
    # given
    flow.send(100)
    with SQLiteStore(flow.store) as store:
        store.commit(Transaction(positions={f"{flow.input}:0": (0, 1_000)}))
    # when
    worker = flow.worker()
    # then
    assert worker.process.wait(60) == 1
    with SQLiteStore(flow.store) as store:
        assert store.positions()[f"{flow.input}:0"] == 1_000


class SQLiteStore:
    """The flow's store, for a moment."""

    def __init__(self, path: str) -> None:
        self._store = SQLiteEventStore(path, kinds=["account"])

    def __enter__(self) -> SQLiteEventStore:
        return self._store

    def __exit__(self, *_: object) -> None:
        self._store.close()
