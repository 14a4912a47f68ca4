"""The warehouse is away, dies in the middle of an insert, or its answer does not arrive."""

from services.chaos.play import Play, Scenario
from services.chaos.quiet import client_of
from services.chaos.scenarios.broken_messages import cut_and_lose
from services.chaos.scenarios.kafka import ROOM_MB


def down(it: Play) -> None:
    """Lag grows and memory does not; nothing goes to quarantine because of it."""
    it.stack.kill_backend("clickhouse")
    it.harm("ClickHouse killed")
    before = it.stack.resident_mb("projections")
    it.send(it.requests)
    it.answered()
    it.pace(it.times(3, 300))
    now = it.stack.resident_mb("projections")
    it.must(now <= before + ROOM_MB, f"projections grew from {before} to {now} MB while ClickHouse was away")
    it.notes["memory of projections"] = f"{before} to {now} MB"
    it.stack.start_clickhouse()
    it.harm("ClickHouse started again")
    it.quiet()
    ((refused,),) = client_of(it.stack).execute("SELECT count() FROM rapport.quarantine WHERE stage = 'projections'")
    it.must(refused == 0, f"{refused} messages went to quarantine because ClickHouse was away")


def mid_insert(it: Play) -> None:
    """Killed while it inserts; inserts cut in the middle; answers lost after the rows are in."""
    proxy = it.stack.clickhouse_proxy
    for part in it.parts(it.times(3, 15)):
        it.send(part)
        it.under_way(it.sender.left // 2)
        cut_and_lose(it, proxy, "ClickHouse")
        it.stack.kill_backend("clickhouse")
        it.harm("ClickHouse killed")
        it.stack.start_clickhouse()
    it.answered()


SCENARIOS = (
    Scenario("clickhouse-down", 10, "ClickHouse killed and away", down, short=True),
    Scenario("clickhouse-mid-insert", 11, "ClickHouse dies in mid-insert, or its answer is lost", mid_insert, short=True),
)
