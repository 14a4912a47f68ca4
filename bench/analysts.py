"""How fast analysts are answered: a warehouse filled by ClickHouse itself, in the shape that the projections stage leaves.

One in five customers was merged, so that views have something to resolve.
"""

import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from uuid import UUID

import psutil

from bench.latencies import percentiles
from bench.projections_stage import snapshot
from bench.result import Answered
from bench.usage import Watch
from services.embedded.clickhouse import running_clickhouse
from services.projections.migrating import migrate_with
from services.projections.pages import questions_in
from services.projections.queries import Queries
from services.runtime.warehouse import Warehouse

STEP, CUSTOMERS_STEP = 250_000, 100_000
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
BY_SOURCE = ", ".join(f"'src-{number}', countIf(source = 'src-{number}')" for number in range(12))
NOBODY = str(UUID(int=0))
MAIL = "concat('user.', toString(number), '@example.com')"
CUSTOMERS = {
    "identifier_holders": f"""
        SELECT {ID} AS id, 'email', {MAIL}, if(number % 5 = 0, reinterpretAsUUID(sipHash128(number + 1)), id), now64(6), number
        FROM numbers({{low}}, {{step}})""",
    "identifier_moves": f"""
        SELECT {ID}, reinterpretAsUUID(sipHash128(number + 1)), number FROM numbers({{low}}, {{step}}) WHERE number % 5 = 0""",
    "customers (customer, sequence, as_of, identifiers, emails, orders, currency, divisor, net_minor, last_order_at, lifecycle, "
    "touchpoints_by_source)": f"""
        SELECT {ID}, 1, now64(6), [concat('email:', {MAIL})], [{MAIL}], number % 9, 'USD', 100, number % 90000,
            toDateTime64('2025-01-01', 6, 'UTC') + number, 'active', by_source
        FROM numbers({{low}}, {{step}}) AS n
        LEFT ANY JOIN
        (
            SELECT customer_id, mapFilter((_, times) -> times > 0, map({BY_SOURCE})) AS by_source FROM rapport.touchpoints
            WHERE customer_id IN (SELECT {ID} FROM numbers({{low}}, {{step}})) GROUP BY customer_id
        ) AS t ON t.customer_id = {ID}
        WHERE number % 5 != 0""",
    "profiles": f"""
        SELECT {ID} AS id, 1,
            replaceAll(replaceAll('{{profile}}', '{NOBODY}', toString(id)), 'user.0@', concat('user.', toString(number), '@'))
        FROM numbers({{low}}, {{step}}) WHERE number % 5 != 0 SETTINGS max_block_size = 8192""",
    "loyalty_accounts (account, sequence, as_of, programme, balance, tier)": f"""
        SELECT {ID}, 1, now64(6), 'rapport', number % 900, 'base' FROM numbers({{low}}, {{step}}) WHERE number % 5 != 0""",
}
PROFILE_AT = "2025-06-01T12:00:00.000000Z"
QUESTIONS = Path(__file__).parent.parent / "docs" / "questions.sql"
TIMES = 5
"""How often each question is asked."""
LOOK_UPS = 500
"""How many customers are looked up, each once."""


def answers(touchpoints: int, customers: int, doing: Callable[[str], None]) -> Iterator[Answered]:
    """The ten questions of docs/questions.md, then whatever is asked of one customer; each as soon as it is there."""
    with tempfile.TemporaryDirectory(prefix="rapport-bench-") as folder, running_clickhouse(Path(folder)) as server:
        warehouse = Warehouse(f"clickhouse://default@{server.host}:{server.tcp_port}", answer_seconds=600)
        migrate_with(warehouse, "rapport")
        doing(f"filling ClickHouse with {touchpoints:,} touchpoints")
        fill(warehouse, touchpoints, customers)
        for what, asks in asked(warehouse):
            doing(f"asking ClickHouse: {what}")
            yield timed(what, asks, psutil.Process(server.pid))


def fill(warehouse: Warehouse, touchpoints: int, customers: int) -> None:
    """In steps, as batches would come. All but the last touchpoints are merged, as ClickHouse does it after an hour. What customers
    say of their touchpoints is what these are."""
    for low in range(0, touchpoints, STEP):
        if low + STEP >= touchpoints:
            _merge(warehouse, FILLS)
        for statement in FILLS.values():
            parts: dict[str, object] = {"total": touchpoints, "customers": customers, "low": low, "step": min(STEP, touchpoints - low)}
            parts |= {name: text.format(**parts) for name, text in (("type", TYPE), ("at", AT), ("anchor", ANCHOR))}
            warehouse.command(statement.format(**parts))
    profile = snapshot(NOBODY, 0, 1, PROFILE_AT, 0).value.decode()
    for table, rows in CUSTOMERS.items():
        for low in range(0, customers, CUSTOMERS_STEP):
            filled = rows.format(low=low, step=min(CUSTOMERS_STEP, customers - low), profile=profile)
            warehouse.command(f"INSERT INTO rapport_store.{table} {filled}")
    _merge(warehouse, [name.partition(" ")[0] for name in CUSTOMERS])


def _merge(warehouse: Warehouse, tables: Iterable[str]) -> None:
    for table in tables:
        warehouse.command(f"OPTIMIZE TABLE rapport_store.{table} FINAL")


Asks = Sequence[Callable[[], object]]


def asked(warehouse: Warehouse) -> Iterator[tuple[str, Asks]]:
    """What is asked, and how, each time."""
    for question in questions_in(QUESTIONS.read_text(encoding="utf-8")):
        yield question.title, [partial(warehouse.select, question.query)] * TIMES
    some = "SELECT customer_id, emails[1] FROM rapport.customers ORDER BY cityHash64(customer_id) LIMIT %(count)s"
    customers, queries = warehouse.select(some, {"count": LOOK_UPS}), Queries(warehouse)
    yield "a customer, by its id", [partial(queries.customer, id) for id, _ in customers]
    yield "a customer, by its mail address", [partial(queries.customer_by_identifier, "email", address) for _, address in customers]
    yield "its latest 50 touchpoints", [partial(queries.timeline, id) for id, _ in customers]
    yield "its changes", [partial(queries.changes, id) for id, _ in customers]
    yield "its loyalty account", [partial(queries.account, id) for id, _ in customers]


def timed(what: str, asks: Asks, server: psutil.Process) -> Answered:
    """One after the other, after a first that does not count."""
    asks[0]()
    waits = list[float]()
    with Watch({"clickhouse": server}) as watch:
        for ask in asks:
            began = time.perf_counter()
            ask()
            waits.append(time.perf_counter() - began)
        (spent,) = watch.spent(len(asks))
    return Answered(what, len(asks), percentiles(waits), round(spent.cpu_us / 1000, 1))
