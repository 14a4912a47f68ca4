"""Batches into a real ClickHouse, and what happens when it dies, hangs, or its answer is lost."""

import asyncio
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from services.embedded.clickhouse import ClickHouseAddress, running_clickhouse
from services.embedded.processes import free_port
from services.projections.migrating import TablesGone, migrate_with
from services.projections.rhythm import Rhythm
from services.projections.sink import WarehouseSink
from services.runtime.batch_joiner import BatchJoiner
from services.runtime.batches import TP, Batch
from services.runtime.event_store import StoreLost
from services.runtime.warehouse import Warehouse, WarehouseAway
from tests.projections import shop
from tests.projections.cutting_proxy import CuttingProxy
from tests.projections.published import Said, Story

MESSAGES = shop.published()
PATIENCE = 60.0


def joined(messages: Sequence[Said], start: int = 0) -> list[Batch]:
    """As the stream joins them: one batch a partition."""
    by_topic: dict[str, list[Said]] = {}
    for message in messages:
        by_topic.setdefault(message.topic, []).append(message)
    return [Batch(TP(topic, 0), start, start + len(found), found, 0, 0) for topic, found in by_topic.items()]


def url(port: int) -> str:
    return f"clickhouse://default@127.0.0.1:{port}"


def apply(sink: WarehouseSink, batches: Sequence[Batch]) -> None:
    asyncio.run(sink.apply(batches))


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[ClickHouseAddress]:
    """A ClickHouse to kill: it comes back on the same port."""
    with running_clickhouse(tmp_path) as server:
        migrate_with(Warehouse(url(server.tcp_port)), "rapport")
        yield server


def rows_and_keys(warehouse: Warehouse) -> tuple[int, int]:
    ((rows, keys),) = warehouse.select("SELECT count(), uniqExact(event_id) FROM rapport.touchpoints")
    return rows, keys


TOUCHPOINTS = sum(1 for message in MESSAGES if dict(message.headers).get("type") == b"touchpoint_applied")


@pytest.fixture
def warehouse(clickhouse: str) -> Iterator[Warehouse]:
    found = Warehouse(clickhouse)
    migrate_with(found, "sink")
    yield found
    found.command("DROP DATABASE IF EXISTS sink")
    found.command("DROP DATABASE IF EXISTS sink_store")
    found.close()


def test_a_partition_that_was_never_read_has_no_position(clickhouse: str, warehouse: Warehouse) -> None:
    sink = WarehouseSink(Warehouse(clickhouse), "sink")

    assert asyncio.run(sink.positions([TP("profile-events", 0)])) == {}


def test_after_a_batch_the_position_is_where_the_next_one_starts(clickhouse: str, warehouse: Warehouse) -> None:
    sink = WarehouseSink(Warehouse(clickhouse), "sink")
    wanted = [TP("profile-events", 0), TP("profiles", 0)]

    apply(sink, joined(MESSAGES, 100))

    lengths = {batch.tp: batch.next for batch in joined(MESSAGES, 100)}
    assert asyncio.run(sink.positions(wanted)) == {tp: lengths[tp] for tp in wanted}
    assert asyncio.run(sink.positions([TP("profile-events", 1)])) == {}


def test_a_worker_that_was_left_behind_does_not_move_the_position_back(clickhouse: str, warehouse: Warehouse) -> None:
    ahead, behind = WarehouseSink(Warehouse(clickhouse), "sink"), WarehouseSink(Warehouse(clickhouse), "sink")
    apply(ahead, joined(MESSAGES, 100))

    apply(behind, joined(MESSAGES[:10]))

    tp = TP("profile-events", 0)
    assert asyncio.run(behind.positions([tp])) == {tp: next(batch.next for batch in joined(MESSAGES, 100) if batch.tp == tp)}
    assert warehouse.select("SELECT count() = uniqExact(event_id) FROM sink.touchpoints") == [(1,)]


def test_two_workers_on_the_same_messages_count_them_once(clickhouse: str, warehouse: Warehouse) -> None:
    one, other = WarehouseSink(Warehouse(clickhouse), "sink"), WarehouseSink(Warehouse(clickhouse), "sink")

    async def race() -> None:
        await asyncio.gather(one.apply(joined(MESSAGES)), *(other.apply(joined(MESSAGES[n : n + 9])) for n in range(0, len(MESSAGES), 9)))

    asyncio.run(race())

    assert warehouse.select("SELECT count(), uniqExact(event_id) FROM sink.touchpoints") == [(TOUCHPOINTS, TOUCHPOINTS)]


def test_while_clickhouse_is_away_the_sink_says_so_and_nothing_goes_to_quarantine() -> None:
    sink = WarehouseSink(Warehouse(url(free_port()), pauses=()), "rapport")

    with pytest.raises(WarehouseAway):
        apply(sink, joined(MESSAGES))
    with pytest.raises(WarehouseAway):
        asyncio.run(sink.positions([TP("profile-events", 0)]))


def test_killed_in_the_middle_of_batches_it_comes_back_with_each_touchpoint_once(own_server: ClickHouseAddress, tmp_path: Path) -> None:
    # given: batches of five messages, and a ClickHouse that is killed while they are written
    sink = WarehouseSink(Warehouse(url(own_server.tcp_port), pauses=(0.05,)), "rapport")

    async def write_all() -> None:
        for start in range(0, len(MESSAGES), 5):
            await until_applied(sink, joined(MESSAGES[start : start + 5], start))

    async def kill_and_restart() -> None:
        writing = asyncio.create_task(write_all())
        await asyncio.sleep(0.15)
        os.kill(own_server.pid, signal.SIGKILL)
        await asyncio.sleep(0.5)
        assert not writing.done(), "the test is of no use if all was written before the kill"
        with running_clickhouse(tmp_path, own_server.tcp_port, own_server.http_port):
            await asyncio.wait_for(writing, PATIENCE)
            assert rows_and_keys(Warehouse(url(own_server.tcp_port))) == (TOUCHPOINTS, TOUCHPOINTS)
            assert Warehouse(url(own_server.tcp_port)).select("SELECT count() FROM rapport.quarantine WHERE stage = 'projections'") == [
                (0,)
            ]

    asyncio.run(kill_and_restart())


async def until_applied(sink: WarehouseSink, batches: Sequence[Batch]) -> None:
    """As the stream does."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            return await sink.apply(batches)
        except WarehouseAway:
            assert time.monotonic() < until
            await asyncio.sleep(0.05)


def test_an_answer_that_is_lost_after_the_insert_was_done_changes_nothing(clickhouse: str, warehouse: Warehouse) -> None:
    # given: a line that is cut after each third insert has reached ClickHouse, before its answer comes back
    with CuttingProxy(int(clickhouse.rpartition(":")[2])) as proxy:
        sink = WarehouseSink(Warehouse(url(proxy.port), pauses=(0.01, 0.01)), "sink")
        for start in range(0, len(MESSAGES), 11):
            proxy.lose_answers(2)
            asyncio.run(until_applied(sink, joined(MESSAGES[start : start + 11], start)))

        assert proxy.lost >= 4
    assert warehouse.select("SELECT count(), uniqExact(event_id) FROM sink.touchpoints") == [(TOUCHPOINTS, TOUCHPOINTS)]
    # and ClickHouse itself dropped the repeated blocks
    assert warehouse.select("SELECT sum(rows) FROM system.parts WHERE active AND database = 'sink_store' AND table = 'touchpoints'") == [
        (TOUCHPOINTS,)
    ]


SELDOM = 3600.0


def seldom(clickhouse: str, keep_messages: int = 50_000) -> WarehouseSink:
    """A sink that has just written, and will not write anything but touchpoints for an hour."""
    sink = WarehouseSink(Warehouse(clickhouse), "sink", None, Rhythm(0.0, 0.0), Rhythm(SELDOM, SELDOM), keep_messages)
    apply(sink, joined([Story().snapshot("customer_id:9", touchpoints=0)], 0))
    return sink


def counts(warehouse: Warehouse) -> tuple[int, int, int]:
    """Touchpoints, purchases, entries of the ledger."""
    return tuple(warehouse.select(f"SELECT count() FROM sink.{name}")[0][0] for name in ("touchpoints", "purchases", "loyalty_ledger"))


def test_touchpoints_come_first_and_the_rest_with_the_positions(clickhouse: str, warehouse: Warehouse) -> None:
    sink, profile_events = seldom(clickhouse), TP("profile-events", 0)
    whole = WarehouseSink(Warehouse(clickhouse), "sink")

    # when: the rest is not due
    apply(sink, joined(MESSAGES, 100))
    asyncio.run(sink.tick())

    # then: analysts see touchpoints already, and whoever reads the topics would begin before them
    assert counts(warehouse) == (TOUCHPOINTS, 0, 0)
    assert asyncio.run(whole.positions([profile_events])) == {}

    # when: somebody asks how far it is
    reached = asyncio.run(sink.positions([profile_events]))

    # then: all is written before it is told
    assert reached == {profile_events: next(batch.next for batch in joined(MESSAGES, 100) if batch.tp == profile_events)}
    touchpoints, purchases, entries = counts(warehouse)
    assert touchpoints == TOUCHPOINTS
    assert purchases
    assert entries


def test_a_crash_while_the_rest_is_kept_loses_nothing_and_counts_nothing_twice(clickhouse: str, warehouse: Warehouse) -> None:
    # given: a sink that died between its touchpoints and the rest
    apply(seldom(clickhouse), joined(MESSAGES[:20]))
    assert counts(warehouse)[0]

    # when: another reads from the stored positions, in other batches
    apply(WarehouseSink(Warehouse(clickhouse), "sink"), joined(MESSAGES))

    # then
    once = counts(warehouse)
    assert once[0] == TOUCHPOINTS
    assert warehouse.select("SELECT count() = uniqExact(event_id) FROM sink.touchpoints") == [(1,)]
    apply(WarehouseSink(Warehouse(clickhouse), "sink"), joined(MESSAGES))
    assert counts(warehouse) == once


def test_whoever_leaves_writes_what_is_kept(clickhouse: str, warehouse: Warehouse) -> None:
    sink = seldom(clickhouse)
    apply(sink, joined(MESSAGES))

    sink.close()

    assert counts(warehouse)[1] > 0


def test_more_than_it_may_keep_is_written_at_once(clickhouse: str, warehouse: Warehouse) -> None:
    apply(seldom(clickhouse, keep_messages=len(MESSAGES)), joined(MESSAGES))

    assert counts(warehouse)[1] > 0


def test_what_an_attempt_took_that_failed_later_is_not_taken_again(clickhouse: str, warehouse: Warehouse) -> None:
    # given: ClickHouse is away twice after the touchpoints were written
    class Away(Warehouse):
        times = 2

        def insert(self, table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
            if not table.endswith(".touchpoints") and self.times:
                self.times -= 1
                raise WarehouseAway("away")
            super().insert(table, columns, rows)

    sink = WarehouseSink(Away(clickhouse), "sink")

    # when: the stream offers the same batches until they are applied
    asyncio.run(until_applied(sink, joined(MESSAGES)))

    # then: each message is counted once
    assert counts(warehouse)[0] == TOUCHPOINTS
    assert warehouse.select("SELECT sum(rows) FROM system.parts WHERE active AND database = 'sink_store' AND table = 'purchases'") == [
        (counts(warehouse)[1],)
    ]


def test_touchpoints_that_come_while_the_rest_is_written_do_not_wait_for_it(clickhouse: str, warehouse: Warehouse) -> None:
    # given: a ClickHouse that is long about purchases
    is_busy, may_end, written = threading.Event(), threading.Event(), list[str]()

    class Slow(Warehouse):
        def insert(self, table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
            if table.endswith(".purchases"):
                is_busy.set()
                assert may_end.wait(PATIENCE)
            super().insert(table, columns, rows)
            written.append(table.removeprefix("sink_store."))

    sink = WarehouseSink(Slow(clickhouse), "sink")

    async def work() -> None:
        sink.give_way = lambda: True
        await sink.apply(joined(MESSAGES[:20]))
        while not is_busy.is_set():
            await sink.tick()
            await asyncio.sleep(0)

        # when: more is taken in meanwhile
        await sink.apply(joined(MESSAGES[20:], 20))
        assert written.count("positions") == 0
        may_end.set()
        sink.give_way = lambda: False
        await sink.tick()

    asyncio.run(work())

    # then: its touchpoints came before the rest was through, and all is there
    rest = written[written.index("purchases") :]
    assert rest.index("touchpoints") < rest.index("positions")
    assert counts(warehouse)[0] == TOUCHPOINTS
    assert written.count("positions") == 2


def test_a_clickhouse_that_does_not_answer_is_given_up_in_time(clickhouse: str) -> None:
    with CuttingProxy(int(clickhouse.rpartition(":")[2])) as proxy:
        proxy.hang()
        warehouse = Warehouse(url(proxy.port), connect_seconds=0.3, answer_seconds=0.3, pauses=())
        started = time.monotonic()

        with pytest.raises(WarehouseAway):
            warehouse.select("SELECT 1")

        assert time.monotonic() - started < 5


def test_where_the_tables_are_gone_the_process_ends_to_make_them_at_its_start(clickhouse: str, warehouse: Warehouse) -> None:
    # given
    sink = WarehouseSink(Warehouse(clickhouse), "sink")
    apply(sink, joined(MESSAGES))
    warehouse.command("DROP DATABASE sink_store SYNC")

    # when: whatever joins batches tries again after any other error
    async def work() -> None:
        joiner = BatchJoiner(SimpleNamespace(consumer=SimpleNamespace(is_current=lambda batch: True)), sink, "projections", 1_000, 0.0)
        await joiner._apply(joined(MESSAGES, 1_000))

    # then
    with pytest.raises(StoreLost, match="tables are gone"):
        asyncio.run(work())
    migrate_with(warehouse, "sink")
    apply(WarehouseSink(Warehouse(clickhouse), "sink"), joined(MESSAGES))
    assert warehouse.select("SELECT uniqExact(event_id) FROM sink_store.touchpoints") == [(TOUCHPOINTS,)]


def test_a_worker_that_slept_while_the_tables_were_made_anew_does_not_say_that_they_are_filled(
    clickhouse: str, warehouse: Warehouse
) -> None:
    # given: a worker that had read everything when all tables were dropped and another one made them again
    sink = WarehouseSink(Warehouse(clickhouse), "sink")
    apply(sink, joined(MESSAGES))
    warehouse.command("DROP DATABASE sink_store SYNC")
    migrate_with(warehouse, "sink")

    # when: something comes for it
    with pytest.raises(StoreLost, match="made anew"):
        apply(sink, joined(MESSAGES, 1_000))
    sink.close()

    # then: whoever comes next reads from the beginning
    assert asyncio.run(WarehouseSink(Warehouse(clickhouse), "sink").positions([TP("profile-events", 0)])) == {}


def test_whoever_asks_where_to_read_on_while_the_tables_are_gone_ends_too(clickhouse: str, warehouse: Warehouse) -> None:
    warehouse.command("DROP DATABASE sink_store SYNC")

    with pytest.raises(StoreLost, match="tables are gone"):
        asyncio.run(WarehouseSink(Warehouse(clickhouse), "sink").positions([TP("profile-events", 0)]))


def test_where_one_table_is_gone_the_process_ends_and_says_what_fills_it_again(clickhouse: str, warehouse: Warehouse) -> None:
    # given
    sink = WarehouseSink(Warehouse(clickhouse), "sink")
    apply(sink, joined(MESSAGES))
    warehouse.command("DROP TABLE sink_store.purchases SYNC")

    # when
    with pytest.raises(StoreLost, match=r"purchases.*`rapport rebuild projections`"):
        apply(sink, joined(MESSAGES, 1_000))

    # then: its next start says the same, and makes no empty table
    with pytest.raises(TablesGone, match=r"purchases.*`rapport rebuild projections`"):
        migrate_with(warehouse, "sink")
