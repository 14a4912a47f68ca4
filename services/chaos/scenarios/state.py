"""What is kept goes missing, or has no room."""

import contextlib
import resource
import shutil
import sqlite3
from pathlib import Path

from services.chaos.play import SQLITE, Play, Scenario
from services.chaos.quiet import client_of

ROOM_BYTES = 10_000
REFUSED = (b"could not be stored", b"disk I/O error", b"disk is full")
"""At the commit, or before it."""


def warehouse_lost(it: Play) -> None:
    """ClickHouse's whole directory is deleted: projections make its tables again and read everything from offset 0."""
    it.send(it.requests)
    it.answered()
    it.quiet()
    it.stack.kill_backend("clickhouse")
    shutil.rmtree(it.stack.folder / "clickhouse")
    it.harm("ClickHouse's directory deleted")
    it.stack.start_clickhouse()
    it.send(it.more(5))  # projections notices when it next writes, ends, and at its start makes what tables are missing
    it.answered()
    took = it.quiet(within=it.times(120, 900))
    ((rows,),) = client_of(it.stack).execute("SELECT count() FROM rapport.touchpoints")
    it.notes["all projections again from the log"] = f"{rows:,} touchpoints in {took:.1f} s"


def disk_full(it: Play) -> None:
    """Files of a stage must not grow any more (RLIMIT_FSIZE on the running process, as a full disk); then there is room again."""
    first, second = it.parts(2)
    it.send(first)
    it.answered()
    for slot in ("profile", "loyalty"):
        store = it.stack.folder / f"{slot}.sqlite"
        it.until(lambda store=store: written_back(store), f"all that is ahead of {store.name} to be in it")  # type: ignore[misc]
        full = it.stack.log_of(slot).stat().st_size + ROOM_BYTES
        resource.prlimit(it.stack.services[slot].process.pid, resource.RLIMIT_FSIZE, (full, resource.RLIM_INFINITY))
        it.harm(f"no room for {slot}'s store")
    said = {slot: it.stack.log_of(slot).stat().st_size for slot in ("profile", "loyalty")}
    it.send(second)

    def refused() -> bool | str:
        it.keep_sending(50)  # its log may be as long as all that
        now = [it.stack.log_of(slot).read_bytes()[size:] for slot, size in said.items()]
        return any(words in one for one in now for words in REFUSED) or "nothing said"

    it.until(refused, "a write to be refused and said so", every=0.1)
    for slot in ("profile", "loyalty"):
        resource.prlimit(it.stack.services[slot].process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    it.harm("room again")


def written_back(store: Path) -> bool | str:
    """Empties the file that SQLite writes first, so that it has to grow, as soon as nobody reads it."""
    with contextlib.closing(sqlite3.connect(store, timeout=5)) as db:
        ((busy, *_),) = db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return busy == 0 or "it is being read"


SCENARIOS = (
    Scenario("warehouse-lost", 17, "ClickHouse's directory is deleted", warehouse_lost),
    Scenario("disk-full", 18, "no room for the stores of profile and loyalty", disk_full, short=True, store=SQLITE),
)
