"""The stage on the stores it has in production: the same accounts as in memory, through restarts."""

import random

from services.loyalty.stage import LoyaltyStage
from services.runtime.clock import SetClock
from services.runtime.event_store import EventStore
from tests.loyalty.conftest import Opened
from tests.loyalty.installation import Installation, assert_ledger
from tests.loyalty.profile_world import Record, World, identify, millis, moment, purchase, refund, survey
from tests.loyalty.scenarios import programme

PROGRAMME = programme()


def eventful_world() -> World:
    """Two hundred things that happen to a few customers, in no order of time, with names that are hard on a database."""
    rnd, world = random.Random(5), World()
    names = ["ann", "cyd", "gus", "hal", "it's", "\U0001f600"]
    for number in range(200):
        name, day, id = rnd.choice(names), rnd.randrange(400) / 4, f"e{number:03d}'\u00e9\U0001f600"
        what = rnd.random()
        if what < 0.5:
            world.touch(name, purchase(id, day, rnd.randrange(10_000), f"o{rnd.randrange(60)}"))
        elif what < 0.7:
            world.touch(name, refund(id, day, f"o{rnd.randrange(60)}", rnd.randrange(5_000)))
        elif what < 0.8:
            world.touch(name, survey(id, day) if what < 0.75 else identify(id, day, "02-20"))
        elif what < 0.9:
            world.merge(name, rnd.choice(names))
        else:
            world.leave(name)
    return world


def test_real_stores_and_restarts_change_nothing(opened: Opened) -> None:
    world = eventful_world()
    in_memory = Installation(PROGRAMME)
    in_memory.read(world.everything())
    in_memory.finish()
    expected = in_memory.accounts()

    records = [record for log in world.log.values() for record in log]
    for start in range(0, len(records), 60):
        read_on(opened(), records[start : start + 60], start // 60)
    store = opened()
    shown = Installation(PROGRAMME)
    shown.store = store  # type: ignore[assignment]
    shown.stage = LoyaltyStage(store, PROGRAMME, shown.clock)
    shown.finish()
    assert len(expected) > 4
    for id, account in shown.accounts().items():
        assert_ledger(shown, id, account)
        if account["lots"] or (id in expected and expected[id]["lots"]):
            assert account | UNLIKE == expected[id] | UNLIKE


UNLIKE = {"sequence": 0, "as_of": ""}
"""How often something was posted depends on the order of reading."""


def read_on(store: EventStore, records: list[Record], number: int) -> None:
    """A process that reads some records in three batches, each decided while the commit before is open, and ends."""
    clock = SetClock(millis(moment(number * 20)))
    stage = LoyaltyStage(store, PROGRAMME, clock, 3)
    for start in range(0, len(records), 20):
        transaction = stage.decide(records[start : start + 20])
        store.finish()
        store.write(transaction)
    store.finish()
    while due := stage.tick(clock.now_ms()):
        store.commit(due)
