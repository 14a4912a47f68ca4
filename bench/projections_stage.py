"""How fast the projections stage is: published messages → rows in a real ClickHouse, and how fast analysts are answered.

    python bench/projections_stage.py --messages 200000

Rows a second, and CPU microseconds a row: of this process (reading, making rows, inserting) and of ClickHouse (writing, merging).
Kafka is not in it. How fast analysts are answered: bench/analysts.py.
"""

import argparse
import asyncio
import gc
import json
import random
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import psutil

from schemas import times, topics
from services.embedded.clickhouse import running_clickhouse
from services.projections.migrating import migrate_with
from services.projections.routing import TABLES
from services.projections.sink import WarehouseSink
from services.runtime.batches import TP, Batch
from services.runtime.warehouse import Warehouse

KINDS = ("visit", "visit", "email", "email", "chat", "chat", "call", "social", "purchase", "purchase", "case", "survey")
START = times.to_micros("2025-01-01T00:00:00.000000Z")
HOUR = 3_600_000_000


class Message:
    """A Kafka record."""

    __slots__ = ("headers", "key", "offset", "partition", "timestamp", "topic", "value")

    def __init__(self, topic: str, key: str, value: dict[str, object], headers: list[tuple[str, bytes]], offset: int) -> None:
        self.topic, self.key, self.value = topic, key.encode(), json.dumps(value, separators=(",", ":")).encode()
        self.headers, self.partition, self.offset, self.timestamp = headers, offset % 4, offset, 1_741_168_800_000


def payload(kind: str, number: int) -> dict[str, object]:
    way = "inbound" if number % 2 else "outbound"
    payloads: dict[str, dict[str, object]] = {
        "visit": {"place": "page", "name": f"/shelf/{number % 500}"},
        "email": {
            "direction": way,
            "kind": "campaign",
            "action": "opened",
            "campaign_id": f"autumn-{number % 30}",
            "subject": "Your offers",
        },
        "chat": {
            "conversation_id": f"cv-{number // 60}",
            "direction": way,
            "message": "Where is my order? It is late again.",
            "sentiment": -0.2,
        },
        "call": {"direction": way, "outcome": "answered", "agent": f"agent-{number % 80}", "wait_seconds": 12.0, "duration_seconds": 200.0},
        "social": {"network": "mastodon", "kind": "mention", "text": "Loving the new shoes from @shop", "sentiment": 0.42},
        "purchase": {
            "order_id": f"O{number:09d}",
            "lines": [
                {
                    "sku": f"SKU-{number % 5000}",
                    "name": "A record",
                    "category": "jazz",
                    "quantity": 1 + number % 3,
                    "unit_price_minor": 1499,
                }
            ],
            "total_minor": 1499 * (1 + number % 3),
            "currency": "USD",
            "store": "web",
        },
        "case": {
            "case_id": f"C-{number // 40}",
            "step": ("received", "assigned", "answered", "archived")[number // 12 % 4],
            "severity": "high",
        },
        "survey": {"kind": "csat", "score": float(1 + number % 5), "scale": 5, "expected": 4.0},
    }
    return payloads[kind]


def published(count: int, customers: int, seed: int = 7) -> Iterator[Message]:
    """Touchpoints, every third with its customer's snapshot, every purchase with a ledger entry and every other with its account."""
    dice, id, entries = random.Random(seed), 0, 0
    names = [str(UUID(int=dice.getrandbits(128), version=4)) for _ in range(customers)]
    sequences = [0] * customers
    for number in range(count):
        who, kind = int(customers * dice.random() ** 2), dice.choice(KINDS)
        customer, id = names[who], id + 1
        sequences[who] += 1
        at = times.from_micros(START + number * 20_000_000 + dice.randrange(HOUR))
        yield touchpoint(customer, who, sequences[who], f"{customer[:8]}-{number}", kind, at, number, id)
        if number % 3 == 0:
            yield snapshot(customer, who, sequences[who], at, number)
        if kind == "purchase":
            entries += 1
            yield entry(customer, sequences[who], at, number, entries)
            if entries % 2:
                yield account(customer, sequences[who], at, number)


def touchpoint(customer: str, who: int, sequence: int, event_id: str, kind: str, at: str, number: int, id: int) -> Message:
    email = {"type": "email", "value": f"user.{who}@example.com", "id": customer}
    value = {
        "customer_id": customer, "sequence": sequence, "recorded_at": at, "cause": event_id, "event": "touchpoint_applied",
        "anchor": customer, "joined": [email] if sequence == 1 else [],
        "touchpoint": {
            "event_id": event_id, "type": kind, "version": 1, "occurred_at": at, "received_at": at, "original_timestamp": None,
            "source": f"{kind}-desk", "identifiers": [email, {"type": "phone", "value": f"+4415{who:08d}", "id": customer}],
            "payload": payload(kind, number), "context": {"campaign": "autumn", "locale": "en-GB"},
        },
    }  # fmt: skip
    headers = [("id", b"%d" % id), ("type", b"touchpoint_applied"), ("sequence", b"%d" % sequence)]
    return Message(topics.PROFILE_CHANGES.name, customer, value, headers, id)


def snapshot(customer: str, who: int, sequence: int, at: str, number: int) -> Message:
    activity = {kind: {"count": 3, "last_at": at} for kind in ("visit", "email", "chat", "purchase")}
    value = {
        "customer_id": customer, "sequence": sequence, "as_of": at, "merged_into": None,
        "identifiers": [{"type": "email", "value": f"user.{who}@example.com", "id": customer}],
        "traits": {name: {"value": value, "occurred_at": at, "event_id": "e"} for name, value in (("city", "Leeds"), ("vip", True))},
        "emails": [f"user.{who}@example.com"], "phones": [], "first_seen_at": at, "last_seen_at": at, "touchpoints": sequence,
        "by_type": activity, "by_channel": activity, "usual_channel": "visit", "preferred_channel": None,
        "spend": {"USD": {"orders": 3, "gross_minor": 5000, "refunded_minor": 0, "net_minor": 5000, "average_order_minor": 1667}},
        "recent_orders": [{"order_id": f"O{number}", "occurred_at": at, "total_minor": 1, "currency": "USD", "refunded_minor": 0}] * 3,
        "favourite_items": [{"name": "SKU-1", "quantity": 2}], "favourite_categories": [{"name": "jazz", "quantity": 2}],
        "first_order_at": at, "last_order_at": at, "orders": 3, "lifecycle": "active", "open_cases": [], "cases": 1,
        "satisfaction": {}, "sentiment_permille": 120, "response_seconds_mean": 300, "responses": 1, "awaiting_response": 0,
        "open_needs": [], "opportunities": [], "memberships": [], "consents": [],
    }  # fmt: skip
    return Message(topics.PROFILES.name, customer, value, [("sequence", b"%d" % sequence)], number)


def entry(customer: str, sequence: int, at: str, number: int, id: int) -> Message:
    value = {
        "account_id": customer, "sequence": id, "recorded_at": at, "cause": f"e-{number}", "event": "entry_posted",
        "entry_id": f"{customer}:{id}", "programme": "rapport", "ledger": "points", "currency": None, "kind": "earn", "corrects": None,
        "corrected_kind": None, "amount": 14, "lot_id": f"e-{number}:base", "source_event": f"e-{number}", "rule": "base",
        "rule_version": 1, "effective_at": at, "available_from": at, "expires_at": at, "balance": 140,
    }  # fmt: skip
    return Message(topics.LOYALTY_CHANGES.name, customer, value, [("id", b"%d" % id), ("type", b"entry_posted")], id)


def account(customer: str, sequence: int, at: str, number: int) -> Message:
    lot = {"lot_id": "l", "source_event": "e", "rule": "base", "rule_version": 1, "earned_at": at, "available_from": at, "expires_at": at}
    value = {
        "account_id": customer, "sequence": sequence, "as_of": at, "merged_into": None, "programme": "rapport", "balance": 140,
        "available": 140, "pending": 0, "earned": 140, "expired": 0, "redeemed": 0, "adjusted": 0, "tier": "silver", "tier_since": at,
        "tier_until": at, "qualifying": 140, "next_expiry_at": at, "next_expiry_points": 14, "lots": [lot | {"remaining": 14}] * 4,
    }  # fmt: skip
    return Message(topics.LOYALTY_ACCOUNTS.name, customer, value, [("sequence", b"%d" % sequence)], number)


def batches_of(messages: list[Message], size: int) -> list[list[Batch]]:
    """Joined as the stream joins them: one batch a partition."""
    joins, offsets = [], dict.fromkeys(((topic, q) for topic in {m.topic for m in messages} for q in range(4)), 0)
    for start in range(0, len(messages), size):
        by_partition: dict[tuple[str, int], list[Message]] = {}
        for message in messages[start : start + size]:
            by_partition.setdefault((message.topic, message.partition), []).append(message)
        join = []
        for tp, records in by_partition.items():
            join.append(Batch(TP(*tp), offsets[tp], offsets[tp] + len(records), records, 0, 0))
            offsets[tp] += len(records)
        joins.append(join)
    return joins


def tune_as_the_process_does() -> None:
    """See services/runtime/stream.py."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 1_000)


def measure_stage(options: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as folder, running_clickhouse(Path(folder)) as server:
        address = f"clickhouse://default@{server.host}:{server.tcp_port}{options.address_options}"
        warehouse = Warehouse(address)
        migrate_with(warehouse, "rapport")
        joins = batches_of(list(published(options.messages, options.customers)), options.batch)
        messages = sum(len(batch.records) for join in joins for batch in join)
        tune_as_the_process_does()
        sink, process = WarehouseSink(Warehouse(address), "rapport"), psutil.Process(server.pid)
        server_before, mine_before, started = sum(process.cpu_times()[:2]), time.process_time(), time.perf_counter()

        async def apply_all() -> None:
            for join in joins:
                await sink.apply(join)

        asyncio.run(apply_all())
        took, mine = time.perf_counter() - started, time.process_time() - mine_before
        theirs = sum(process.cpu_times()[:2]) - server_before
        rows = sum(
            warehouse.select(f"SELECT sum(rows) FROM system.parts WHERE active AND database = 'rapport_store' AND table = '{t.name}'")[0][0]
            for t in TABLES
        )
        print(f"{messages:,} messages -> {rows:,} rows in {took:.2f} s: {messages / took:,.0f} messages/s, {rows / took:,.0f} rows/s")
        print(f"CPU a row: {mine / rows * 1e6:.1f} us here, {theirs / rows * 1e6:.1f} us in ClickHouse; batches of {options.batch}")
        mine_mb, theirs_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, process.memory_info().rss / 1e6
        print(f"resident: {mine_mb:.0f} MB here with all messages, {theirs_mb:.0f} MB ClickHouse")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=100_000, help="touchpoints; snapshots and ledger entries come on top")
    parser.add_argument("--customers", type=int, default=20_000)
    parser.add_argument("--batch", type=int, default=16_000)
    parser.add_argument("--address-options", default="", help="such as ?compression=false")
    options = parser.parse_args()
    measure_stage(options)


if __name__ == "__main__":
    main()
