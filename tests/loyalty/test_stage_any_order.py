"""Whatever order, batching, repetition and interleaving of partitions the log is read in: the same accounts."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.loyalty import stored_lots
from services.loyalty.programme import Programme
from services.runtime.event_store import Stale
from services.runtime.event_store_memory import MemoryDatabase
from tests.examples import examples
from tests.loyalty.installation import END, Installation, assert_ledger
from tests.loyalty.profile_world import Record, World, moment, written
from tests.loyalty.reference import Reference
from tests.loyalty.scenarios import OF_TOUCHPOINTS, PROGRAMMES, SPENT, facts

NAMES = ["ann", "cyd", "gus", "hal"]
"""Their customers are in four partitions."""


@pytest.fixture(autouse=True, scope="module")
def stored_as_those_of_large_accounts() -> Iterator[None]:
    """Lots in a row of their own from the second on."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(stored_lots, "FEW", 1)
        yield


@st.composite
def worlds(draw: st.DrawFn) -> World:
    world, theme = World(), draw(st.sampled_from([*OF_TOUCHPOINTS, SPENT]))
    for number in range(draw(st.integers(1, 14))):
        what = draw(st.sampled_from(["touch", "touch", "touch", "merge", "move", "leave"]))
        name, other = draw(st.sampled_from(NAMES)), draw(st.sampled_from(NAMES))
        if what == "touch":
            fact = draw(facts(f"e{number:02d}", theme))
            (world.redeem if fact["type"] == "redemption" else world.touch)(name, fact)
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
            installation.forget()
        elif isinstance(step, int):
            installation.tick(step)
        elif step:
            installation.read(step)
    installation.finish()


@settings(max_examples=examples(400), deadline=None)
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
    assert (account["earned"], account["expired"], account["redeemed"]) == (expected.earned, expected.expired, expected.redeemed)
    if programme.tiers is not None and expected.tier is not None:
        until = expected.tier["until"] and written(expected.tier["until"])
        assert (account["tier"], account["tier_until"]) == (programme.tiers.levels[expected.tier["level"]].id, until)
        assert account["tier_since"] == written(expected.tier["since"])


@settings(max_examples=examples(60), deadline=None)
@given(st.data())
def test_two_workers_on_one_store_come_to_the_same_as_one(data: st.DataObject) -> None:
    programme = data.draw(st.sampled_from(PROGRAMMES))
    world = data.draw(worlds())
    database = MemoryDatabase()
    workers = [Installation(programme, database, pipelined=False) for _ in range(2)]
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
