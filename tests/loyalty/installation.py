"""A stage over a store in memory, driven as the worker drives it, and what must be true of its ledgers."""

import json
from collections import Counter, defaultdict
from typing import Any
from uuid import UUID

from schemas.loyalty_events import LOYALTY_EVENTS, Account
from services.loyalty.archive import ITEM_KINDS, KINDS
from services.loyalty.programme import Programme
from services.loyalty.redeeming import Answer, Redeem
from services.loyalty.stage import LoyaltyStage
from services.runtime.clock import SetClock
from services.runtime.event_store import RecordedEvent
from services.runtime.event_store_memory import MemoryDatabase, MemoryEventStore
from tests.loyalty.profile_world import Record, identifier, millis, moment

END = 2_000
"""A day by which all is over."""


class Installation:
    """Batches are decided while the commit before is still open, as the worker does, unless it is not ``pipelined``. Few accounts are
    remembered, so that they are often read again."""

    def __init__(self, programme: Programme, database: MemoryDatabase | None = None, pipelined: bool = True) -> None:
        self.store = MemoryEventStore(database, kinds=KINDS, item_kinds=ITEM_KINDS)
        self.clock = SetClock(millis(moment(0)))
        self.programme, self.pipelined = programme, pipelined
        self.stage = LoyaltyStage(self.store, programme, self.clock, 3)
        self.outcomes: Counter[tuple[str, str]] = Counter()

    def read(self, records: list[Record]) -> None:
        transaction = self.stage.decide(records)
        assert sum(transaction.outcomes.values()) == len(records)
        self.outcomes += transaction.outcomes
        self.store.finish()
        self.store.write(transaction)
        if not self.pipelined:
            self.store.finish()

    def answer(self, *commands: Redeem) -> list[Answer]:
        """As the worker asks: what was decided before is stored, and the answers count once this is."""
        self.store.finish()
        transaction, answers = self.stage.answer(commands)
        self.store.commit(transaction)
        return answers

    def redeem(self, id: str, name: str, points: int, why: str = "") -> Answer:
        """By the customer whose id comes from that identifier."""
        [answer] = self.answer(Redeem(id, identifier(name), points, why, "till"))
        return answer

    def forget(self) -> None:
        self.store.finish()
        self.stage.forget()

    def tick(self, day: float) -> None:
        self.store.finish()
        self.clock.set(max(self.clock.now_ms(), millis(moment(day))))
        for _ in range(100):
            if (transaction := self.stage.tick(self.clock.now_ms())) is None:
                return
            self.store.commit(transaction)
        raise AssertionError("the clock's work never ends")

    def finish(self) -> None:
        self.tick(END)
        self.tick(END + 1)

    def events(self) -> list[RecordedEvent]:
        self.store.finish()
        return self.store.events_after(0, 10**6)

    def entries(self, account: str) -> list[dict[str, Any]]:
        self.store.finish()
        return [json.loads(event.state) for event in self.store.events_of(UUID(account)) if event.type == "entry_posted"]

    def account(self, id: str) -> dict[str, Any]:
        self.store.finish()
        [message] = self.stage.snapshots([UUID(id)])
        assert message.value is not None
        return Account.model_validate_json(message.value).model_dump()

    def accounts(self) -> dict[str, dict[str, Any]]:
        ids = {str(event.originator) for event in self.events() if event.type != "quarantined"}
        return {id: self.account(id) for id in ids}


def assert_ledger(installation: Installation, id: str, account: dict[str, Any]) -> None:
    """Sequences without a hole, running balances, each lot's sum, and the tier that was announced last."""
    events = installation.store.events_of(UUID(id))
    assert [event.version for event in events] == list(range(1, len(events) + 1))
    balance, tier = 0, None
    by_lot: dict[str, int] = defaultdict(int)
    for event in events:
        said = json.loads(event.state)
        LOYALTY_EVENTS[event.type].model_validate_json(event.state)
        assert said["sequence"] == event.version
        if event.type == "entry_posted":
            balance += said["amount"]
            by_lot[said["lot_id"]] += said["amount"]
            assert said["balance"] == balance
        elif event.type == "tier_changed":
            assert said["before"] == tier
            tier = said["after"]
        else:
            tier = None
    assert balance == account["balance"]
    assert {lot: points for lot, points in by_lot.items() if points} == {lot["lot_id"]: lot["remaining"] for lot in account["lots"]}
    assert account["sequence"] == len(events)
    assert account["tier"] == (tier or "")
