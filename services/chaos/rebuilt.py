"""I6: the state once more from offset 0, by the stages' own code in memory, in one go and without any fault."""

import json
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from services.chaos.stack import PROGRAMME
from services.loyalty import app as loyalty_app
from services.loyalty import programme_file
from services.loyalty.stage import LoyaltyStage
from services.profile import app as profile_app
from services.profile.stage import ProfileStage
from services.runtime.clock import SystemClock
from services.runtime.event_store import EventStore
from services.runtime.event_store_memory import MemoryEventStore
from services.runtime.settings import Settings
from services.runtime.stage import Record, Stage

BATCH = 8_000
OF_THE_WAY = ("sequence", "as_of")
"""How often a customer changed on the way, and when it was looked at, depend on the way."""

Living = dict[str, dict[str, Any]]
"""Id → its whole snapshot, of those that hold something."""


def profiles_from(log: Sequence[Record]) -> Living:
    """Of the topic ``touchpoints``."""
    settings = Settings()
    store = MemoryEventStore(kinds=profile_app.PROCESS.kinds, item_kinds=profile_app.PROCESS.item_kinds)
    identity, lifecycle = profile_app.identity_policy(settings.identity), profile_app.lifecycle_policy(settings.lifecycle)
    return _folded(ProfileStage(store, identity, lifecycle, SystemClock()), store, log)


def accounts_from(log: Sequence[Record]) -> Living:
    """Of the topic ``profile-events`` without its repeats, and the redemptions, in any order."""
    process = loyalty_app.PROCESS
    store = MemoryEventStore(kinds=process.kinds, item_kinds=process.item_kinds)
    return _folded(LoyaltyStage(store, programme_file.load(PROGRAMME), SystemClock()), store, log)


def latest(snapshots: Iterable[Record]) -> Living:
    """Of a compacted topic: of each key the highest sequence."""
    found: dict[bytes, tuple[int, bytes]] = {}
    for record in snapshots:
        if record.key is not None and record.value is not None:
            sequence = int(dict(record.headers)["sequence"])
            if sequence >= found.get(record.key, (0, b""))[0]:
                found[record.key] = sequence, record.value
    return _living(value for _, value in found.values())


def without_repeats(records: Iterable[Record]) -> list[Record]:
    """As a subscriber reads a topic that an outbox fills."""
    highest: dict[int, int] = {}
    kept = []
    for record in records:
        id = int(dict(record.headers)["id"])
        if id > highest.get(record.partition, 0):
            highest[record.partition] = id
            kept.append(record)
    return kept


def redemptions_in(records: Iterable[Record]) -> list[Record]:
    """Of the topic ``loyalty-events``, without repeats."""
    return [record for record in without_repeats(records) if dict(record.headers)["type"] == b"redemption_accepted"]


def _folded(stage: Stage, store: EventStore, log: Sequence[Record]) -> Living:
    originators: set[UUID] = set()
    for begin in range(0, len(log), BATCH):
        transaction = stage.decide(log[begin : begin + BATCH])
        originators |= {event.originator for event in transaction.events if event.type != "quarantined"}
        store.commit(transaction)
    return _living(message.value or b"" for message in stage.snapshots(originators))


def _living(values: Iterable[bytes]) -> Living:
    snapshots = [json.loads(value) for value in values]
    return {
        one.get("account_id") or one["customer_id"]: {name: value for name, value in one.items() if name not in OF_THE_WAY}
        for one in snapshots
        if not one.get("merged_into") and ("account_id" in one or one.get("identifiers"))
    }
