"""Profile and loyalty stage together, in memory: what the one publishes waits, by partition, until the other reads it."""

import json
import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

from schemas.loyalty_events import LOYALTY_EVENTS
from schemas.profile_events import PROFILE_EVENTS
from services.loyalty.programme import Programme
from services.loyalty.redeeming import Answer, Redeem
from services.runtime.event_store import RecordedEvent
from tests.loyalty.installation import Installation
from tests.loyalty.profile_world import REDEMPTIONS, Record, millis, moment
from tests.profile.stage_run import Run
from tests.profile.touchpoints import Record as Touchpoint

PARTITIONS = 3


class WholeCore:
    """``log``: what the profile stage published, by partition; ``places``: how far loyalty is in each."""

    def __init__(self, programme: Programme, remember: int) -> None:
        self.profile = Run(remember, millis(moment(0)))
        self.loyalty = Installation(programme)
        self.log: list[list[Record]] = [[] for _ in range(PARTITIONS)]
        self.places = [0] * PARTITIONS
        self.redemptions: list[bytes] = []
        self.said = Said()
        self._published = self._accounted = 0

    def take(self, touchpoints: Sequence[Touchpoint]) -> None:
        """One batch for the profile stage."""
        self.profile.feed_records(touchpoints)
        self._publish()

    def read(self, partition: int, count: int) -> None:
        """Loyalty reads on in one partition."""
        place = self.places[partition]
        if batch := self.log[partition][place : place + count]:
            self.loyalty.read(batch)
            self.places[partition] += len(batch)
        self._account()

    def redeem(self, id: str, customer: str, points: int) -> Answer:
        """Whoever the customer's id stands for spends points, or is told why not."""
        [answer] = self.loyalty.answer(Redeem(id, customer, points, "", "till"))
        self._account()
        return answer

    def take_over(self, redemptions: Sequence[bytes]) -> None:
        """What another installation accepted, from its log."""
        self.loyalty.read([Record(one, [("id", b"1")], REDEMPTIONS, 0, "loyalty-events") for one in redemptions])
        self._account()

    def go_back(self, partition: int, count: int) -> None:
        """As after a crash: what was read is read again."""
        self.places[partition] = max(0, self.places[partition] - count)

    def forget(self) -> None:
        """As after a restart: nothing is in memory."""
        self.profile.stage.forget()
        self.loyalty.forget()

    def tick(self, day: float) -> None:
        self.profile.tick(millis(moment(day)))
        self._publish()
        self.loyalty.tick(day)
        self._account()

    def finish(self, day: float, dice: random.Random) -> None:
        """Reads everything, partitions mixed by the dice, then lets time pass."""
        self._drain(dice)
        self.tick(day)
        self._drain(dice)
        self.loyalty.tick(day + 1)
        self._account()

    def _drain(self, dice: random.Random) -> None:
        while waiting := [number for number, log in enumerate(self.log) if self.places[number] < len(log)]:
            self.read(dice.choice(waiting), dice.randint(1, 6))

    def _publish(self) -> None:
        for event in self.profile.store.events_after(self._published, 10**6):
            self._published = event.id
            self.said.by_profile(event)
            if event.type != "quarantined":
                customer = str(event.originator)
                headers = [("id", b"%d" % event.id), ("type", event.type.encode())]
                partition = int(customer[:4], 16) % PARTITIONS
                self.log[partition].append(Record(event.state, headers, partition, len(self.log[partition]), key=customer.encode()))

    def _account(self) -> None:
        self.loyalty.store.finish()
        for event in self.loyalty.store.events_after(self._accounted, 10**6):
            self._accounted = event.id
            self.said.by_loyalty(event)
            if event.type == "redemption_accepted":
                self.redemptions.append(event.state)


class Said:
    """What a subscriber of everything knows; fails where a message is not the next one of its customer, or does not add up."""

    def __init__(self) -> None:
        self.sequences: Counter[str] = Counter()
        self.ids: set[str] = set()
        """every customer id and every identifier's id that was ever published"""
        self.survivors: dict[str, str] = {}
        self.holders: dict[str, str] = {}
        self.balances: Counter[str] = Counter()
        self.tiers: dict[str, str] = {}

    def by_profile(self, event: RecordedEvent) -> None:
        said = json.loads(event.state)
        if event.type == "quarantined":
            return
        PROFILE_EVENTS[event.type].model_validate_json(event.state)
        customer = said["customer_id"]
        self._next("profile", customer, said["sequence"])
        came = said.get("joined", []) if event.type == "touchpoint_applied" else said.get("identifiers", [])
        self.ids |= {customer, *(one["id"] for one in came)}
        if event.type == "customer_merged_into":
            self.survivors[customer] = said["survivor"]
        elif event.type == "identifiers_left":
            assert all(self.holders[one["id"]] == customer for one in came), "what was not held cannot leave"
        else:
            self.holders.update((one["id"], customer) for one in came)
            self.survivors.pop(customer, None)

    def by_loyalty(self, event: RecordedEvent) -> None:
        said = json.loads(event.state)
        assert event.type != "quarantined", said
        LOYALTY_EVENTS[event.type].model_validate_json(event.state)
        account = said["account_id"]
        self._next("loyalty", account, said["sequence"])
        if event.type == "entry_posted":
            self.balances[account] += said["amount"]
            assert said["balance"] == self.balances[account]
        elif event.type == "tier_changed":
            assert said["before"] == self.tiers.get(account)
            self.tiers[account] = said["after"]
        elif event.type == "redemption_accepted":
            assert said["balance"] == self.balances[account] - said["points"] >= 0, "more was spent than there was"
        else:
            self.tiers.pop(account, None)

    def holder(self, id: str) -> str:
        """The customer that an id leads to, by merges alone."""
        while id in self.survivors:
            id = self.survivors[id]
        return id

    def _next(self, stage: str, of: str, sequence: int) -> None:
        self.sequences[f"{stage} {of}"] += 1
        assert sequence == self.sequences[f"{stage} {of}"], "a hole, or a repeat"


def comparable(snapshots: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Without what tells of the way and not of the state."""
    return {id: {name: value for name, value in one.items() if name not in ("sequence", "as_of")} for id, one in snapshots.items()}
