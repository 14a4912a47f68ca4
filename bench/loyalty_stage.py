"""The loyalty stage without Kafka: decide, commit to a SQLite file, make snapshots. Prints events a second and CPU an event.

    python -m bench.loyalty_stage --customers 100000 --events 300000

Its input is what the profile stage makes of the touchpoints of bench/traffic.py (20 % purchases, 1 % late by days, 1 % links
that merge two customers); of the purchases, some are followed by a refund.
"""

import argparse
import gc
import json
import random
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.traffic import touchpoints
from services.loyalty.archive import ITEM_KINDS, KINDS
from services.loyalty.programme_file import load
from services.loyalty.stage import LoyaltyStage
from services.profile.identifiers import IdentityPolicy
from services.profile.lifecycle import LifecyclePolicy
from services.profile.stage import KINDS as PROFILE_KINDS
from services.profile.stage import ProfileStage
from services.runtime.clock import SystemClock
from services.runtime.event_store_sqlite import SQLiteEventStore


@dataclass(slots=True)
class Record:
    """A Kafka record, as a stage reads it."""

    value: bytes
    offset: int
    headers: tuple[tuple[str, bytes], ...] = ()
    partition: int = 0
    topic: str = "touchpoints"
    key: bytes | None = None
    timestamp: int = 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=100_000)
    parser.add_argument("--events", type=int, default=300_000, help="touchpoints that the profile stage takes in first")
    parser.add_argument("--refunds", type=float, default=0.05, help="share of purchases that are refunded")
    parser.add_argument("--batch", type=int, default=8_000)
    parser.add_argument("--profile", action="store_true", help="print where the time goes (cProfile)")
    options = parser.parse_args()
    gc.disable()
    with tempfile.TemporaryDirectory() as folder:
        log = list(profile_events(Path(folder) / "profile.sqlite", options))
        run(Path(folder) / "loyalty.sqlite", log, options)


def profile_events(path: Path, options: argparse.Namespace) -> Iterator[Record]:
    """What the profile stage publishes."""
    store = SQLiteEventStore(path, kinds=PROFILE_KINDS, synchronous="NORMAL")
    stage = ProfileStage(store, IdentityPolicy(limits={"customer_id": 1}), LifecyclePolicy(), SystemClock())
    now_ms, id = time.time_ns() // 1_000_000, 0
    log = [Record(value, offset, timestamp=now_ms) for offset, value in enumerate(with_refunds(options))]
    for start in range(0, len(log), options.batch):
        transaction = stage.decide(log[start : start + options.batch])
        store.commit(transaction)
        for event in transaction.events:
            id += 1
            if event.type == "quarantined":
                continue
            yield Record(event.state, id, (("id", b"%d" % id), ("type", event.type.encode())), int(event.originator) % 4, "profile-events")


def with_refunds(options: argparse.Namespace) -> Iterator[bytes]:
    """Each refund comes some time after its purchase, with the same identifiers."""
    rnd, purchases = random.Random(11), list[dict[str, Any]]()
    for _, value in touchpoints(options.customers, options.events):
        yield value
        if b'"type":"purchase"' in value and rnd.random() < options.refunds:
            purchases.append(json.loads(value))
        if len(purchases) > 500:
            yield json.dumps(refund_of(purchases.pop(rnd.randrange(500)), json.loads(value)["occurred_at"])).encode()


def refund_of(purchase: dict[str, Any], at: str) -> dict[str, Any]:
    order = purchase["payload"]
    half = {"order_id": order["order_id"], "refund_id": "R" + order["order_id"], "currency": order["currency"]}
    payload = {**half, "amount_minor": order["total_minor"] // 2}
    return {**purchase, "event_id": "refund-" + purchase["event_id"], "type": "refund", "occurred_at": at, "payload": payload}


def run(path: Path, log: list[Record], options: argparse.Namespace) -> None:
    store = SQLiteEventStore(path, kinds=KINDS, item_kinds=ITEM_KINDS)
    stage = LoyaltyStage(store, load(), SystemClock())
    spent = dict.fromkeys(("decide", "commit", "snapshots"), 0.0)
    outcomes: Counter[tuple[str, str]] = Counter()
    stored = snapshots = 0
    if options.profile:
        import cProfile

        profiler = cProfile.Profile()
        profiler.enable()
    begun, cpu = time.perf_counter(), time.process_time()
    for start in range(0, len(log), options.batch):
        clock = time.perf_counter()
        transaction = stage.decide(log[start : start + options.batch])
        spent["decide"] += (decided := time.perf_counter()) - clock
        store.commit(transaction)
        spent["commit"] += (committed := time.perf_counter()) - decided
        touched = {event.originator for event in transaction.events if event.type != "quarantined"}
        snapshots += sum(1 for _ in stage.snapshots(touched))
        spent["snapshots"] += time.perf_counter() - committed
        outcomes += transaction.outcomes
        stored += len(transaction.events)
    wall, used = time.perf_counter() - begun, time.process_time() - cpu
    if options.profile:
        profiler.disable()
        profiler.print_stats("tottime")
    count = len(log)
    figures = {name: round(seconds / count * 1e6, 1) for name, seconds in spent.items()}
    print(
        json.dumps(
            {
                "events": count,
                "events_s": round(count / wall),
                "cpu_us": round(used / count * 1e6, 1),
                "per_core": round(count / used),
                "us_by_step": figures,
                "outcomes": {" ".join(outcome).strip(): number for outcome, number in outcomes.items()},
                "stored": stored,
                "snapshots": snapshots,
                "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10,
                "bytes_event": round(path.stat().st_size / count),
            }
        )
    )


if __name__ == "__main__":
    main()
