"""How many Python instructions an event takes in each stage: a measure of cost that is the same on every machine and at any load.

    python -m bench.instructions            # what it takes now, beside what was noted
    python -m bench.instructions --note     # notes it, for this version of Python
    python -m bench.instructions --check    # leaves with 1 where a stage needs a fifth more than was noted

What C does (JSON, SQLite, Kafka's batches) is not in it, so it is no speed; but what makes a stage slower by a fifth is seen by it.
"""

import argparse
import json
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from bench.loyalty_stage import Record
from bench.traffic import touchpoints
from schemas import topics
from services.ingest.admission import admit
from services.loyalty.archive import ITEM_KINDS
from services.loyalty.archive import KINDS as LOYALTY_KINDS
from services.loyalty.programme_file import load
from services.loyalty.stage import LoyaltyStage
from services.profile.identifiers import IdentityPolicy
from services.profile.lifecycle import LifecyclePolicy
from services.profile.stage import KINDS as PROFILE_KINDS
from services.profile.stage import ProfileStage
from services.projections.batch_rows import rows_of_batch
from services.runtime.clock import SetClock
from services.runtime.event_store_sqlite import SQLiteEventStore
from services.runtime.stage import Stage

NOTED = Path(__file__).with_suffix(".json")
CUSTOMERS, EVENTS, BATCH = 200, 1_000, 250
NOW_MS = 1_795_600_000_000
MOST = 1.2
ARRIVED = "2026-11-25T12:00:00.000000Z"


def instructions_an_event() -> dict[str, int]:
    """Of each stage. Everything is done twice, and counted the second time, so that what is remembered once is remembered."""
    _measured()
    return _measured()


def noted() -> dict[str, int] | None:
    """What was noted for this version of Python, whose instructions are its own; None: nothing."""
    versions: dict[str, dict[str, int]] = json.loads(NOTED.read_text()) if NOTED.exists() else {}
    return versions.get(_python())


def _measured() -> dict[str, int]:
    log = [value for _, value in touchpoints(CUSTOMERS, EVENTS)]
    arrivals = [Record(value, offset, timestamp=NOW_MS) for offset, value in enumerate(log)]
    with tempfile.TemporaryDirectory() as folder:
        store = SQLiteEventStore(Path(folder) / "profile.sqlite", kinds=PROFILE_KINDS)
        profile = ProfileStage(store, IdentityPolicy(limits={"customer_id": 1}), LifecyclePolicy(), SetClock(NOW_MS))
        found = {"ingest": counted(lambda: admit(log, "shop", ARRIVED, lambda identifiers: b"")) // EVENTS}
        published: list[Record] = []
        found["profile"] = counted(lambda: published.extend(_run(profile, store, arrivals, topics.PROFILE_CHANGES.name))) // EVENTS
        store.close()
        store = SQLiteEventStore(Path(folder) / "loyalty.sqlite", kinds=LOYALTY_KINDS, item_kinds=ITEM_KINDS)
        loyalty = LoyaltyStage(store, load(), SetClock(NOW_MS))
        earned: list[Record] = []
        changes = [record for record in published if record.topic == topics.PROFILE_CHANGES.name]
        found["loyalty"] = counted(lambda: earned.extend(_run(loyalty, store, changes, topics.LOYALTY_CHANGES.name))) // len(changes)
        store.close()
        messages = [*published, *earned]
        found["projections"] = counted(lambda: rows_of_batch(messages)) // len(messages)
    return found


def _run(stage: Stage, store: SQLiteEventStore, records: Sequence[Record], topic: str) -> Iterator[Record]:
    """What the stage publishes."""
    id = 0
    for start in range(0, len(records), BATCH):
        transaction = stage.decide(records[start : start + BATCH])
        store.commit(transaction)
        for event in transaction.events:
            id += 1
            headers = (("id", b"%d" % id), ("type", event.type.encode()), ("sequence", b"%d" % event.version))
            yield Record(event.state, id, headers, 0, topic, str(event.originator).encode(), NOW_MS)
        for message in stage.snapshots({event.originator for event in transaction.events}):
            id += 1
            yield Record(message.value or b"", id, message.headers, 0, message.topic, message.key, NOW_MS)


def counted(work: Callable[[], object]) -> int:
    """The instructions that Python's interpreter takes for it, in this thread."""
    count = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal count
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def _python() -> str:
    return ".".join(platform.python_version_tuple()[:2])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--note", action="store_true", help="note what it takes now")
    parser.add_argument("--check", action="store_true", help="leave with 1 where a stage needs a fifth more than was noted")
    options = parser.parse_args()
    before, now = noted() or {}, instructions_an_event()
    ratios = {name: count / before[name] for name, count in now.items() if name in before}
    for name, count in now.items():
        print(f"{name:12} {count:6,} instructions an event" + (f", {ratios[name]:.2f} of what was noted" if name in ratios else ""))
    if options.note:
        versions = json.loads(NOTED.read_text()) if NOTED.exists() else {}
        NOTED.write_text(json.dumps(versions | {_python(): now}, indent=2, sort_keys=True) + "\n")
    grown = [name for name, ratio in ratios.items() if ratio > MOST]
    if options.check and grown:
        print(f"{', '.join(grown)}: more than {MOST} of what was noted; is it worth that? python -m bench.instructions --note")
    return 1 if options.check and grown else 0


if __name__ == "__main__":
    sys.exit(main())
