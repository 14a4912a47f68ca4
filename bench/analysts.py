"""How fast analysts are answered: a warehouse filled by ClickHouse itself, in the shape that the projections stage leaves.

    python bench/projections_queries.py --touchpoints 1000000
    python bench/projections_queries.py --touchpoints 10000000 --keep /var/tmp/warehouse

A tenth as many customers as touchpoints; one in five of them was merged, so that views have something to resolve. Each query is
asked three times, the best is shown: with parts as the load left them, and after ClickHouse merged them.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import psutil

from services.embedded.clickhouse import running_clickhouse
from services.projections.migrating import migrate_with
from services.projections.pages import questions_in
from services.projections.queries import Queries
from services.runtime.warehouse import Warehouse

STEP = 250_000
TYPE = "transform(intHash32(number) % 8, [0, 1, 2, 3, 4, 5, 6], ['email', 'chat', 'chat', 'purchase', 'call', 'social', 'survey'], 'visit')"
ANCHOR = (
    "reinterpretAsUUID(sipHash128(toUInt64(pow(intHash32(if(" + TYPE + " = 'chat', intDiv(number, 20), number) + 1) "
    "/ 4294967296., 2) * {customers})))"
)
AT = "toDateTime64('2025-01-01', 6, 'UTC') + toIntervalSecond(toInt64(number * 46000000. / {total}) + intHash32(number + 5) % 3600)"
FILLS: dict[str, str] = {
    "touchpoints": """
        INSERT INTO rapport_store.touchpoints
        SELECT toString(reinterpretAsUUID(sipHash128(number, 7))), {type} AS kind, 1, {at} AS at, at, NULL, at,
            concat('src-', toString(intHash32(number + 3) % 12)), [concat('email:user.', toString(number % {customers}), '@example.com')],
            if(kind IN ('chat', 'email', 'call'), if(intHash32(number + 2) % 2 = 1, 'inbound', 'outbound'), ''),
            if(kind = 'chat', concat('cv', toString(intDiv(number, 20))), ''), if(kind = 'call', 0.25, NULL),
            concat('{{"message":"', hex(sipHash64(number)), ' some words of a message ', hex(sipHash64(number + 1)), '"}}'),
            '{{"campaign":"autumn","locale":"en-GB"}}', {anchor} AS anchor, anchor, number, number + 1
        FROM numbers({low}, {step})""",
    "purchases": """
        INSERT INTO rapport_store.purchases
        SELECT toString(reinterpretAsUUID(sipHash128(number, 7))), concat('o', toString(number)), {at}, 'shop', 'web', 'card', 'USD',
            100, 999 + number % 5000, NULL, NULL, 1, 1, {anchor} AS anchor, anchor, number + 1
        FROM numbers({low}, {step}) WHERE {type} = 'purchase'""",
}
ID = "reinterpretAsUUID(sipHash128(number))"
MAIL = "concat('user.', toString(number), '@example.com')"
CUSTOMERS = {
    "identifier_holders": f"""
        SELECT {ID} AS id, 'email', {MAIL}, if(number % 5 = 0, reinterpretAsUUID(sipHash128(number + 1)), id), now64(6), number
        FROM numbers({{low}}, {{step}})""",
    "identifier_moves": f"""
        SELECT {ID}, reinterpretAsUUID(sipHash128(number + 1)), number FROM numbers({{low}}, {{step}}) WHERE number % 5 = 0""",
    "customers (customer, sequence, as_of, identifiers, orders, currency, divisor, gross_minor, net_minor, last_order_at, lifecycle)": f"""
        SELECT {ID}, 1, now64(6), [concat('email:', {MAIL})], number % 9, 'USD', 100, number % 90000, number % 90000,
            toDateTime64('2025-01-01', 6, 'UTC') + number, 'active'
        FROM numbers({{low}}, {{step}}) WHERE number % 5 != 0""",
    "loyalty_accounts (account, sequence, as_of, programme, balance, tier)": f"""
        SELECT {ID}, 1, now64(6), 'rapport', number % 900, 'base' FROM numbers({{low}}, {{step}}) WHERE number % 5 != 0""",
}
ASKED: dict[str, str] = {
    "count of touchpoints": "SELECT count() FROM rapport.touchpoints",
    "channel_mix": "SELECT * FROM rapport.channel_mix FORMAT Null",
    "daily_activity": "SELECT * FROM rapport.daily_activity FORMAT Null",
    "one month by type": "SELECT type, uniqExact(customer_id) FROM rapport.touchpoints WHERE occurred_at >= '2026-05-01' GROUP BY type",
    "conversations": "SELECT count(), countIf(awaiting), avg(response_seconds) FROM rapport.conversations",
    "response_times": "SELECT * FROM rapport.response_times FORMAT Null",
    "revenue": "SELECT currency, count(), uniqExact(customer_id), sum(total) FROM rapport.purchases GROUP BY currency",
    "cohort_retention": "SELECT * FROM rapport.cohort_retention FORMAT Null",
    "repeat_purchase": "SELECT * FROM rapport.repeat_purchase FORMAT Null",
    "rfm": "SELECT segment, count() FROM rapport.rfm GROUP BY segment",
    "lifecycle": "SELECT * FROM rapport.lifecycle FORMAT Null",
    "loyalty_liability": "SELECT * FROM rapport.loyalty_liability FORMAT Null",
    "customer_360, ten best": "SELECT * FROM rapport.customer_360 ORDER BY net DESC LIMIT 10 FORMAT Null",
}


def fill(warehouse: Warehouse, touchpoints: int, customers: int) -> None:
    """In steps, as batches would come."""
    for low in range(0, touchpoints, STEP):
        for statement in FILLS.values():
            parts: dict[str, object] = {"total": touchpoints, "customers": customers, "low": low, "step": min(STEP, touchpoints - low)}
            parts |= {name: text.format(**parts) for name, text in (("type", TYPE), ("at", AT), ("anchor", ANCHOR))}
            warehouse.command(statement.format(**parts))
    for low in range(0, customers, STEP):
        for table, rows in CUSTOMERS.items():
            warehouse.command(f"INSERT INTO rapport_store.{table} {rows.format(low=low, step=min(STEP, customers - low))}")


def best_of_three(ask: Callable[[], object], server: psutil.Process) -> str:
    """Milliseconds waited, and of CPU in ClickHouse."""
    waited, worked = [], []
    for _ in range(3):
        started, before = time.perf_counter(), sum(server.cpu_times()[:2])
        ask()
        waited.append(time.perf_counter() - started)
        worked.append(sum(server.cpu_times()[:2]) - before)
    return f"{min(waited) * 1000:6.0f} {min(worked) * 1000:6.0f}"


def asked(warehouse: Warehouse) -> dict[str, Callable[[], object]]:
    """Everything that is timed, by name."""
    page = questions_in(Path("docs/questions.sql").read_text(encoding="utf-8"))
    questions: dict[str, str] = {f"page: {question.title}": question.query for question in page}
    every: dict[str, Callable[[], object]] = {name: partial(warehouse.select, query) for name, query in (ASKED | questions).items()}
    return every | one_customer(warehouse)


def one_customer(warehouse: Warehouse) -> dict[str, Callable[[], object]]:
    queries = Queries(warehouse)
    ((id,),) = warehouse.select("SELECT customer_id FROM rapport.customers LIMIT 1 OFFSET 1000")
    return {
        "customer: by mail address": lambda: queries.holder("email", "user.4242@example.com"),
        "customer: by id": lambda: queries.customer(id),
        "customer: timeline": lambda: queries.timeline(id),
        "customer: account": lambda: queries.account(id),
        "customer: changes": lambda: queries.changes(id),
        "customer: where customer_id": lambda: warehouse.select(
            "SELECT count() FROM rapport.touchpoints WHERE customer_id = %(id)s", {"id": id}
        ),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--touchpoints", type=int, default=1_000_000)
    parser.add_argument("--keep", type=Path, help="directory of the warehouse, used again if it is filled")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() if options.keep is None else nullcontext(str(options.keep)) as folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with running_clickhouse(Path(folder)) as server:
            warehouse = Warehouse(f"clickhouse://default@{server.host}:{server.tcp_port}", answer_seconds=600)
            migrate_with(warehouse, "rapport")
            if warehouse.select("SELECT count() FROM rapport_store.loyalty_accounts")[0][0] == 0:
                fill(warehouse, options.touchpoints, options.touchpoints // 10)
            parts = (
                "SELECT count(), sum(rows), formatReadableSize(sum(bytes_on_disk)) FROM system.parts WHERE active AND table = 'touchpoints'"
            )
            print("touchpoints, parts, rows, bytes:", warehouse.select(parts)[0])
            process = psutil.Process(server.pid)
            loaded = {name: best_of_three(ask, process) for name, ask in asked(warehouse).items()}
            for table in ("touchpoints", "purchases", "identifier_holders", "identifier_moves", "customers", "loyalty_accounts"):
                warehouse.command(f"OPTIMIZE TABLE rapport_store.{table} FINAL")
            print(f"{'milliseconds: waited, CPU':70s} {'as loaded':>13s} {'merged':>13s}")
            for name, ask in asked(warehouse).items():
                print(f"{name[:70]:70s} {loaded[name]} {best_of_three(ask, process)}")


if __name__ == "__main__":
    main()
