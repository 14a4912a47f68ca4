"""The profile stage without Kafka: decide, commit to a SQLite file, make snapshots. Prints events a second and CPU an event.

python -m bench.profile_stage --customers 100000 --events 300000
"""

import argparse
import gc
import json
import resource
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from bench.traffic import touchpoints
from services.profile.identifiers import IdentityPolicy
from services.profile.lifecycle import LifecyclePolicy
from services.profile.stage import KINDS, ProfileStage
from services.runtime.clock import SystemClock
from services.runtime.event_store_sqlite import SQLiteEventStore


@dataclass(slots=True)
class Record:
    """A Kafka record, as the stage reads it."""

    value: bytes
    offset: int
    partition: int = 0
    topic: str = "touchpoints"
    key: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()
    timestamp: int = 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=100_000)
    parser.add_argument("--events", type=int, default=300_000)
    parser.add_argument("--batch", type=int, default=8_000)
    parser.add_argument("--profile", action="store_true", help="print where the time goes (cProfile)")
    options = parser.parse_args()
    now_ms = time.time_ns() // 1_000_000
    log = [Record(value, offset, timestamp=now_ms) for offset, (_, value) in enumerate(touchpoints(options.customers, options.events))]
    with tempfile.TemporaryDirectory() as folder:
        run(Path(folder) / "profile.sqlite", log, options)


def run(path: Path, log: list[Record], options: argparse.Namespace) -> None:
    store = SQLiteEventStore(path, kinds=KINDS)
    identity = IdentityPolicy(limits={"customer_id": 1})
    stage = ProfileStage(store, identity, LifecyclePolicy(), SystemClock())
    spent: defaultdict[str, float] = defaultdict(float)
    gc.disable()
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
        spent["snapshot messages"] += sum(1 for _ in stage.snapshots(touched))
        spent["snapshots"] += time.perf_counter() - committed
    wall, used = time.perf_counter() - begun, time.process_time() - cpu
    if options.profile:
        profiler.disable()
        profiler.print_stats("tottime")
    count = len(log)
    figures = {name: round(seconds / count * 1e6, 1) for name, seconds in spent.items() if name != "snapshot messages"}
    print(
        json.dumps(
            {
                "events": count,
                "events_s": round(count / wall),
                "cpu_us": round(used / count * 1e6, 1),
                "per_core": round(count / used),
                "us_by_step": figures,
                "snapshots": spent["snapshot messages"],
                "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10,
                "bytes_event": round(path.stat().st_size / count),
            }
        )
    )


if __name__ == "__main__":
    main()
