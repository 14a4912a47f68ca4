"""Batches into a real ClickHouse, and what happens when it dies, hangs, or its answer is lost."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from services.embedded.clickhouse import ClickHouseAddress, running_clickhouse
from services.embedded.processes import free_port
from services.projections.migrating import migrate_with
from services.projections.sink import WarehouseSink
from services.runtime.batches import TP, Batch
from services.runtime.warehouse import Warehouse, WarehouseAway
from tests.projections import shop
from tests.projections.cutting_proxy import CuttingProxy
from tests.projections.published import Said

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
    found.command("DROP DATABASE sink")
    found.command("DROP DATABASE sink_store")
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


def test_a_clickhouse_that_does_not_answer_is_given_up_in_time(clickhouse: str) -> None:
    with CuttingProxy(int(clickhouse.rpartition(":")[2])) as proxy:
        proxy.hang()
        warehouse = Warehouse(url(proxy.port), connect_seconds=0.3, answer_seconds=0.3, pauses=())
        started = time.monotonic()

        with pytest.raises(WarehouseAway):
            warehouse.select("SELECT 1")

        assert time.monotonic() - started < 5
