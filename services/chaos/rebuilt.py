"""I6: the state once more from offset 0, by the stages' own code in memory, in one go and without any fault."""

import json
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from services.chaos.stack import PROGRAMME
from services.loyalty import app as loyalty_app
from services.loyalty import programme_file
from services.loyalty.account_snapshot import AS_OF_THEN
from services.loyalty.stage import LoyaltyStage
from services.profile import app as profile_app
from services.profile.stage import ProfileStage
from services.runtime.clock import SystemClock
from services.runtime.event_store import EventStore
from services.runtime.event_store_memory import MemoryEventStore
from services.runtime.settings import Settings
from services.runtime.stage import Record, Stage

BATCH = 8_000
OF_THE_WAY = {"sequence"} | AS_OF_THEN
"""How often a customer changed on the way, and when it was looked at, depend on the way."""

Living = dict[str, dict[str, Any]]
"""Id → its whole snapshot, of those that hold something."""


class Rebuilt:
    """A stage's fold from offset 0, which goes on where it was with what is new."""

    def __init__(self, stage: Stage, store: EventStore) -> None:
        self._stage, self._store = stage, store
        self._originators: set[UUID] = set()

    def living(self, news: Sequence[Record]) -> Living:
        """With these, everything. Each message once."""
        for begin in range(0, len(news), BATCH):
            transaction = self._stage.decide(news[begin : begin + BATCH])
            self._originators |= {event.originator for event in transaction.events if event.type != "quarantined"}
            self._store.commit(transaction)
        return _living(message.value or b"" for message in self._stage.snapshots(self._originators))


def profiles() -> Rebuilt:
    """Of the topic ``touchpoints``."""
    settings, process = Settings(), profile_app.PROCESS
    store = MemoryEventStore(kinds=process.kinds, item_kinds=process.item_kinds)
    identity, lifecycle = profile_app.identity_policy(settings.identity), profile_app.lifecycle_policy(settings.lifecycle)
    return Rebuilt(ProfileStage(store, identity, lifecycle, SystemClock()), store)


def accounts() -> Rebuilt:
    """Of the topic ``profile-events`` without its repeats, and the redemptions, in any order."""
    process = loyalty_app.PROCESS
    store = MemoryEventStore(kinds=process.kinds, item_kinds=process.item_kinds)
    return Rebuilt(LoyaltyStage(store, programme_file.load(PROGRAMME), SystemClock()), store)


class Latest:
    """Of a compacted topic: of each key the highest sequence."""

    def __init__(self) -> None:
        self._found: dict[bytes, tuple[int, bytes]] = {}

    def living(self, news: Iterable[Record]) -> Living:
        """With these, everything."""
        for record in news:
            if record.key is not None and record.value is not None:
                sequence = int(dict(record.headers)["sequence"])
                if sequence >= self._found.get(record.key, (0, b""))[0]:
                    self._found[record.key] = sequence, record.value
        return _living(value for _, value in self._found.values())


class Subscriber:
    """Reads a topic that an outbox fills, and drops repeats."""

    def __init__(self) -> None:
        self._highest: dict[int, int] = {}

    def fresh(self, news: Iterable[Record]) -> list[Record]:
        kept = []
        for record in news:
            id = int(dict(record.headers)["id"])
            if id > self._highest.get(record.partition, 0):
                self._highest[record.partition] = id
                kept.append(record)
        return kept


def redemptions_in(records: Iterable[Record]) -> list[Record]:
    """Of the topic ``loyalty-events``."""
    return [record for record in records if dict(record.headers)["type"] == b"redemption_accepted"]


def _living(values: Iterable[bytes]) -> Living:
    snapshots = [json.loads(value) for value in values]
    return {
        one.get("account_id") or one["customer_id"]: {name: value for name, value in one.items() if name not in OF_THE_WAY}
        for one in snapshots
        if not one.get("merged_into") and ("account_id" in one or one.get("identifiers"))
    }
