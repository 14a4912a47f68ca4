"""Several workers of the profile stage over one store: how fast, what is decided for nothing, and where they wait for each other."""

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from time import perf_counter

import psycopg

from bench.drain import fill
from bench.postgres import Server, running_postgres
from bench.result import Shared
from bench.shared_proof import holders, wrong
from bench.stack import WHILE_MEASURING, Service, Stack, running_stack, wait_for
from bench.usage import Measured, Together, Watch
from schemas.topics import PROFILE_CHANGES, QUARANTINE, TOUCHPOINTS
from services.chaos.log_reader import LogReader
from services.profile.stage import KINDS
from services.runtime.event_store import EventStore
from services.runtime.event_store_postgres import PostgresEventStore
from services.runtime.event_store_sqlite import SQLiteEventStore

Log = Sequence[tuple[bytes, bytes]]
POSTGRES, SQLITE = "PostgreSQL", "SQLite"
RUNS = ((SQLITE, 1), (POSTGRES, 1), (POSTGRES, 2), (POSTGRES, 4))
"""Store and workers."""
SESSION_SECONDS = "20"
"""The longest that there is: the group must take nobody for dead while all stand still."""
LOOK_SECONDS = 0.05
SESSIONS = """
    SELECT CASE WHEN wait_event_type = 'Lock' THEN 'for another writer'
                WHEN wait_event_type IN ('IO', 'LWLock') THEN 'for the disk, or within the server'
                WHEN state LIKE 'idle in%' THEN 'writing, the worker''s turn'
                WHEN state = 'active' THEN 'working in the server' ELSE 'deciding, or idle' END
    FROM pg_stat_activity
    WHERE backend_type = 'client backend' AND pid IN (SELECT pid FROM pg_locks WHERE locktype = 'virtualxid') AND pid <> pg_backend_pid()
    """
"""What each session in a transaction does at the moment; the others are idle, or their worker decides."""


def work_off(store: str, workers: int, log: Log) -> Shared:
    """So many workers work off the log on a new stack and a new store of their own; what they did is proven afterwards.

    They share the partitions before there is anything to do, stand still while the log is written, and go on all at once.
    """
    with running_stack() as stack, _database(store, stack.folder) as server:
        address = server.address if server else ""
        services = _started(stack, workers, address)
        for service in services:
            service.process.suspend()
        fill(stack, TOUCHPOINTS.name, log)
        watched: dict[str, Measured] = {"workers": Together(service.process for service in services)}
        if server:
            watched["PostgreSQL"] = server.process
        with Watch({**watched, "Kafka": stack.backends["kafka"]}) as watch, _looking_at(address) as doing:
            began = perf_counter()
            for service in services:
                service.process.resume()
            wait_for(lambda: _sum(services, "rapport_messages_total") >= len(log), "all messages to be taken in", every=WHILE_MEASURING)
            wait_for(lambda: _published(services), "all events to be published", every=WHILE_MEASURING)
            seconds = perf_counter() - began
            spent = watch.spent(len(log))
        results = {name: round(_sum(services, "rapport_batches_total", result=name)) for name in ("applied", "overtaken", "stale")}
        decided = round(_sum(services, "rapport_messages_decided_total"))
        stack.stop()
        found, who = _proven(stack, address, log)
    looks = max(1, sum(doing.values()))
    waits = {what: round(count / looks, 3) for what, count in doing.most_common()}
    return Shared(store, workers, len(log), seconds, spent, results, decided, waits, who, found)


@contextmanager
def _database(store: str, folder: Path) -> Iterator[Server | None]:
    """None: a file in the stack's folder."""
    if store == SQLITE:
        yield None
        return
    with running_postgres(folder / "postgres") as server:
        yield server


def _started(stack: Stack, workers: int, address: str) -> list[Service]:
    """Returns when each has its share of the partitions."""
    settings = {"RAPPORT_STAGE_SESSION_SECONDS": SESSION_SECONDS} | ({"RAPPORT_STORE_URL": address} if address else {})
    services = [stack.start("profile", f"profile-{number}", **settings) for number in range(1, workers + 1)]

    def shared() -> bool:
        shares = [len(service.samples("rapport_lag_messages")) for service in services]
        return all(shares) and sum(shares) == TOUCHPOINTS.partitions

    wait_for(shared, "the workers to share the partitions", 60)
    return services


def _sum(services: Sequence[Service], metric: str, **labels: str) -> float:
    return sum(service.metric(metric, **labels) for service in services)


def _published(services: Sequence[Service]) -> bool:
    return _sum(services, "rapport_events_published_total") >= _sum(services, "rapport_events_stored_total")


@contextmanager
def _looking_at(address: str) -> Iterator[Counter[str]]:
    """Counts, twenty times a second, what PostgreSQL says each writer is doing. Empty without one."""
    seen, ended = Counter[str](), threading.Event()
    thread = threading.Thread(target=partial(_look, address, seen, ended), daemon=True)
    if address:
        thread.start()
    try:
        yield seen
    finally:
        ended.set()
        if address:
            thread.join()


def _look(address: str, seen: Counter[str], ended: threading.Event) -> None:
    with psycopg.connect(address, autocommit=True) as db:
        while not ended.wait(LOOK_SECONDS):
            seen.update(doing for (doing,) in db.execute(SESSIONS))


def _proven(stack: Stack, address: str, log: Log) -> tuple[list[str], str]:
    """What is wrong with what they left behind, and who holds which identifier, in short."""
    reader = LogReader(stack.bootstrap)
    news = reader.news([PROFILE_CHANGES.name, QUARANTINE.name])
    ends = {f"{topic}:{number}": end for (topic, number), end in reader.ends([TOUCHPOINTS.name]).items() if end}
    store: EventStore = (
        PostgresEventStore(address, schema="profile", kinds=KINDS)
        if address
        else SQLiteEventStore(stack.folder / "profile.sqlite", kinds=KINDS)
    )
    try:
        return wrong(log, news[PROFILE_CHANGES.name], news[QUARANTINE.name], store, ends), holders(store)
    finally:
        store.close()
