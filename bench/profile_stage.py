"""The profile stage without Kafka: decide, commit, make snapshots. Prints events a second, and CPU an event by step.

python -m bench.profile_stage --customers 100000 --events 300000
python -m bench.profile_stage --postgres --forget     # as a worker that is overtaken each time: nothing in memory
"""

import argparse
import gc
import json
import resource
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.postgres import running_postgres
from bench.traffic import touchpoints
from bench.usage import Together
from services.profile.identifiers import IdentityPolicy
from services.profile.lifecycle import LifecyclePolicy
from services.profile.stage import KINDS, ProfileStage
from services.runtime.clock import SystemClock
from services.runtime.event_store import EventStore
from services.runtime.event_store_postgres import PostgresEventStore
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


@dataclass(frozen=True)
class Steps:
    """Processor microseconds an event of each step, the database server's part in it included. ``bytes``: what the store takes an event."""

    events: int
    events_s: int
    decide: float
    commit: float
    snapshots: float
    bytes: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=100_000)
    parser.add_argument("--events", type=int, default=300_000)
    parser.add_argument("--batch", type=int, default=8_000)
    parser.add_argument("--postgres", action="store_true", help="a PostgreSQL of its own, not a SQLite file")
    parser.add_argument("--forget", action="store_true", help="drop all caches before each batch")
    parser.add_argument("--profile", action="store_true", help="print where the time goes (cProfile)")
    options = parser.parse_args()
    if options.profile:
        import cProfile

        with cProfile.Profile() as profiler:
            steps = measured(options.customers, options.events, options.batch, options.postgres, options.forget)
        profiler.print_stats("tottime")
    else:
        steps = measured(options.customers, options.events, options.batch, options.postgres, options.forget)
    print(json.dumps(asdict(steps) | {"rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10}))


def measured(customers: int, events: int, batch: int, postgres: bool = False, forget: bool = False) -> Steps:
    """On a new store."""
    now_ms = time.time_ns() // 1_000_000
    log = [Record(value, offset, timestamp=now_ms) for offset, (_, value) in enumerate(touchpoints(customers, events))]
    with tempfile.TemporaryDirectory() as folder, _store(Path(folder), postgres) as (store, server, size):
        gc.disable()
        try:
            return _run(store, server, log, batch, forget, size)
        finally:
            gc.enable()


@contextmanager
def _store(folder: Path, postgres: bool) -> Iterator[tuple[EventStore, Together, Callable[[], int]]]:
    """With the processes that work for it beside this one, and what says how many bytes it takes."""
    if not postgres:
        path = folder / "profile.sqlite"
        yield SQLiteEventStore(path, kinds=KINDS), Together([]), lambda: sum(file.stat().st_size for file in folder.iterdir())
        return
    with running_postgres(folder / "postgres") as server:
        store = PostgresEventStore(server.address, kinds=KINDS)
        try:
            yield store, server.process, server.bytes
        finally:
            store.close()


def _run(store: EventStore, server: Together, log: Sequence[Record], batch: int, forget: bool, size: Callable[[], int]) -> Steps:
    stage = ProfileStage(store, IdentityPolicy(limits={"customer_id": 1}), LifecyclePolicy(), SystemClock())
    spent: defaultdict[str, float] = defaultdict(float)
    began, empty = time.perf_counter(), size()

    def cpu() -> float:
        times = server.cpu_times()
        return time.process_time() + times.user + times.system

    for start in range(0, len(log), batch):
        if forget:
            stage.forget()
        before = cpu()
        transaction = stage.decide(log[start : start + batch])
        spent["decide"] += (decided := cpu()) - before
        store.commit(transaction)
        spent["commit"] += (committed := cpu()) - decided
        touched = {event.originator for event in transaction.events if event.type != "quarantined"}
        for _ in stage.snapshots(touched):
            pass
        spent["snapshots"] += cpu() - committed
    count, wall = len(log), time.perf_counter() - began
    each = {step: round(seconds / count * 1e6, 1) for step, seconds in spent.items()}
    return Steps(count, round(count / wall), each["decide"], each["commit"], each["snapshots"], round((size() - empty) / count))


if __name__ == "__main__":
    main()
