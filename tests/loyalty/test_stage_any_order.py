"""Whatever order, batching, repetition and interleaving of partitions the log is read in: the same accounts."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.loyalty_events import LOYALTY_EVENTS, Account
from services.loyalty.archive import ITEM_KINDS, KINDS
from services.loyalty.programme import Programme
from services.loyalty.stage import LoyaltyStage
from services.runtime.clock import SetClock
from services.runtime.event_store import RecordedEvent, Stale
from services.runtime.event_store_memory import MemoryDatabase, MemoryEventStore
from tests.loyalty.profile_world import Record, World, millis, moment, written
from tests.loyalty.reference import Reference
from tests.loyalty.scenarios import OF_TOUCHPOINTS, PROGRAMMES, facts

NAMES = ["ann", "cyd", "gus", "hal"]
"""Their customers are in four partitions."""
END = 2_000


class Installation:
    """A stage over a store in memory, driven as the worker drives it."""

    def __init__(self, programme: Programme, database: MemoryDatabase | None = None) -> None:
        self.store = MemoryEventStore(database, kinds=KINDS, item_kinds=ITEM_KINDS)
        self.clock = SetClock(millis(moment(0)))
        self.programme = programme
        self.stage = LoyaltyStage(self.store, programme, self.clock, 3)
        self.outcomes: Counter[tuple[str, str]] = Counter()

    def read(self, records: list[Record]) -> None:
        transaction = self.stage.decide(records)
        assert sum(transaction.outcomes.values()) == len(records)
        self.outcomes += transaction.outcomes
        self.store.commit(transaction)

    def tick(self, day: float) -> None:
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
        return self.store.events_after(0, 10**6)

    def entries(self, account: str) -> list[dict[str, Any]]:
        return [json.loads(event.state) for event in self.store.events_of(UUID(account)) if event.type == "entry_posted"]

    def account(self, id: str) -> dict[str, Any]:
        [message] = self.stage.snapshots([UUID(id)])
        assert message.value is not None
        return Account.model_validate_json(message.value).model_dump()

    def accounts(self) -> dict[str, dict[str, Any]]:
        ids = {str(event.originator) for event in self.events() if event.type != "quarantined"}
        return {id: self.account(id) for id in ids}


@st.composite
def worlds(draw: st.DrawFn) -> World:
    world, theme = World(), draw(st.sampled_from(OF_TOUCHPOINTS))
    for number in range(draw(st.integers(1, 14))):
        what = draw(st.sampled_from(["touch", "touch", "touch", "merge", "move", "leave"]))
        name, other = draw(st.sampled_from(NAMES)), draw(st.sampled_from(NAMES))
        if what == "touch":
            world.touch(name, draw(facts(f"e{number:02d}", theme)))
        elif what == "merge":
            world.merge(name, other)
        elif what == "move":
            world.move(name, other)
        else:
            world.leave(name)
    return world


def interleaved(draw: Callable[[st.SearchStrategy[Any]], Any], world: World) -> Iterator[Record]:
    """Each partition's records in order; sometimes a partition starts again from an earlier place, as after a crash."""
    places = dict.fromkeys(world.log, 0)
    repeats = draw(st.integers(0, 2))
    while waiting := [partition for partition, place in places.items() if place < len(world.log[partition])]:
        partition = draw(st.sampled_from(waiting))
        yield world.log[partition][places[partition]]
        places[partition] += 1
        if repeats and draw(st.integers(0, 5)) == 0:
            repeats -= 1
            places[partition] = draw(st.integers(0, places[partition]))


@st.composite
def readings(draw: st.DrawFn, world: World) -> list[Any]:
    """Batches of records, and days at which the clock ticks; ``None`` where caches are dropped."""
    steps: list[Any] = []
    batch: list[Record] = []
    for record in interleaved(draw, world):
        batch.append(record)
        what = draw(st.sampled_from(["go on", "go on", "end", "tick", "forget"]))
        if what != "go on":
            steps.append(batch)
            batch = []
        if what == "tick":
            steps.append(draw(st.integers(0, END)))
        if what == "forget":
            steps.append(None)
    return [*steps, batch]


def read_all(installation: Installation, steps: list[Any]) -> None:
    for step in steps:
        if step is None:
            installation.stage.forget()
        elif isinstance(step, int):
            installation.tick(step)
        elif step:
            installation.read(step)
    installation.finish()


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_every_reading_of_the_log_comes_to_the_plain_reference(data: st.DataObject) -> None:
    programme = data.draw(st.sampled_from(PROGRAMMES))
    world = data.draw(worlds())
    installation = Installation(programme)
    read_all(installation, data.draw(readings(world)))
    holding = {world.holders[anchor] for anchor in world.facts}
    shown = installation.accounts()
    assert holding <= shown.keys() or programme.tiers is None
    for customer in holding:
        expected = Reference(programme).run(world.facts_of(customer), moment(END + 1))
        assert_account(programme, shown.get(customer), expected)
    for id, account in shown.items():
        assert_ledger(installation, id, account)
        if id not in holding:
            assert account["balance"] == 0
            assert account["lots"] == []
            assert account["merged_into"] == world.gone.get(id)


def assert_account(programme: Programme, account: dict[str, Any] | None, expected: Reference) -> None:
    if account is None:
        assert expected.balance == 0
        return
    lots = {lot["lot_id"]: lot["remaining"] for lot in account["lots"]}
    assert lots == {lot["id"]: lot["left"] for lot in expected.lots if lot["left"]}
    assert account["balance"] == expected.balance
    assert (account["earned"], account["expired"]) == (expected.earned, expected.expired)
    if programme.tiers is not None and expected.tier is not None:
        until = expected.tier["until"] and written(expected.tier["until"])
        assert (account["tier"], account["tier_until"]) == (programme.tiers.levels[expected.tier["level"]].id, until)
        assert account["tier_since"] == written(expected.tier["since"])


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


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_two_workers_on_one_store_come_to_the_same_as_one(data: st.DataObject) -> None:
    programme = data.draw(st.sampled_from(PROGRAMMES))
    world = data.draw(worlds())
    database = MemoryDatabase()
    workers = [Installation(programme, database) for _ in range(2)]
    for record in interleaved(data.draw, world):
        worker = workers[record.partition % 2]
        try:
            worker.read([record])
        except Stale:
            worker.stage.forget()
            worker.read([record])
    for worker in workers:
        worker.store.refresh()
        worker.stage.forget()
        worker.finish()
    for customer in {world.holders[anchor] for anchor in world.facts}:
        shown = workers[0].accounts()
        assert_account(programme, shown.get(customer), Reference(programme).run(world.facts_of(customer), moment(END + 1)))
