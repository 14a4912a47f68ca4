"""A profile stage over a store in memory, fed batch by batch."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from schemas.profile_events import Profile
from services.profile.customers import SAVE_EVERY
from services.profile.identifiers import IdentityPolicy
from services.profile.lifecycle import LifecyclePolicy
from services.profile.stage import KINDS, ProfileStage
from services.runtime.clock import SetClock
from services.runtime.event_store_memory import MemoryEventStore
from tests.profile.touchpoints import HOUR, NOON, Record, records

POLICY = IdentityPolicy(limits={"customer_id": 1, "email": 2}, partner_limit=2)
DAY = 24 * HOUR
NOW = (NOON + 300 * DAY) // 1000


class Run:
    """The stage, its clock, and what it published."""

    def __init__(self, remember: int = 1000, now_ms: int = NOW, policy: IdentityPolicy = POLICY, save_every: int = SAVE_EVERY) -> None:
        self.store = MemoryEventStore(kinds=KINDS)
        self.clock = SetClock(now_ms)
        self.stage = ProfileStage(self.store, policy, LifecyclePolicy(), self.clock, remember, save_every)
        self.offset = 0
        self.outcomes: Counter[tuple[str, str]] = Counter()

    def feed(self, *batch: dict[str, Any]) -> None:
        """One batch of one partition."""
        self.feed_records(records(*batch, start=self.offset))

    def feed_in_turn(self, *touchpoints: dict[str, Any]) -> None:
        """Each in a batch of its own: within one they are taken in the order in which they happened."""
        for one in touchpoints:
            self.feed(one)

    def feed_records(self, batch: Sequence[Record]) -> None:
        """One batch of raw records."""
        transaction = self.stage.decide(batch)
        self.offset += len(batch)
        self.outcomes += transaction.outcomes
        self.store.commit(transaction)

    def tick(self, now_ms: int) -> None:
        """Lets time pass."""
        self.clock.set(now_ms)
        while (transaction := self.stage.tick(now_ms)) is not None:
            self.store.commit(transaction)

    def events(self, *types: str) -> list[dict[str, Any]]:
        """What was published, of these types or of all."""
        found = [json.loads(recorded.state) | {"event": recorded.type} for recorded in self.store.events_after(0, 100_000)]
        return [event for event in found if not types or event["event"] in types]

    def profiles(self) -> dict[str, dict[str, Any]]:
        """Every snapshot, read by a stage that remembers nothing; without what names this run's own history."""
        self.stage.forget()
        originators = [one for one in self.store.originators_after(0) if self.store.rows("customers", [str(one)])]
        found = [Profile.model_validate_json(message.value or b"").model_dump() for message in self.stage.snapshots(originators)]
        return {one["customer_id"]: {k: v for k, v in one.items() if k != "sequence"} for one in found}

    def living(self) -> dict[str, dict[str, Any]]:
        """Those customers that were not merged into another."""
        return {id: profile for id, profile in self.profiles().items() if profile["merged_into"] is None and profile["identifiers"]}

    def only(self) -> dict[str, Any]:
        """The one living customer."""
        (profile,) = self.living().values()
        return profile
