"""Several loyalty processes share a store, and any of them takes redemptions: together they accept what one would."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from services.loyalty.redeeming import Accepted, Answer, Redeem, TooFew
from services.loyalty.stage import LoyaltyStage
from services.runtime.clock import SetClock
from services.runtime.event_store import EventStore
from services.runtime.kafka import KafkaConnection
from services.runtime.worker import Worker
from tests.loyalty.conftest import Opened
from tests.loyalty.installation import Installation, assert_ledger
from tests.loyalty.profile_world import World, identifier, millis, moment, purchase
from tests.loyalty.told import EUROS, programme

ANN = identifier("ann")
CLOCK = SetClock(millis(moment(50)))
POINTS, EACH, TIMES = 500, 7, 100
"""So 71 of them can be paid for."""


def worker_on(store: EventStore) -> Worker:
    """One process of several, in which another publishes."""
    store.publisher_lock = lambda: False  # type: ignore[method-assign]
    return Worker(LoyaltyStage(store, programme(EUROS), CLOCK, 100), store, KafkaConnection("127.0.0.1:1"), clock=CLOCK)


def command(number: int) -> Redeem:
    return Redeem(f"r{number}", ANN, EACH, "", "till")


async def answers_of(worker: Worker, commands: list[Redeem]) -> list[Answer]:
    """All asked at once."""
    answered = asyncio.gather(*(asyncio.create_task(worker.commands.ask(one)) for one in commands))
    while not answered.done():
        await worker.tick()
        await asyncio.sleep(0)
    return await answered


def asked_at_once(*workers: Worker) -> list[list[Answer]]:
    """A hundred redemptions, in another order at each worker; each runs in a thread, as a process would."""
    orders = [[command(number * step % TIMES) for number in range(TIMES)] for step in (1, 37)]
    with ThreadPoolExecutor(len(workers)) as threads:
        running = [threads.submit(asyncio.run, answers_of(worker, order)) for worker, order in zip(workers, orders, strict=True)]
        return [[answer for _, answer in sorted(zip(order, one.result(), strict=True))] for order, one in zip(orders, running, strict=True)]


def test_exactly_the_affordable_ones_of_a_hundred_at_once_are_accepted_by_two_processes(opened: Opened) -> None:
    first = opened()
    bought = World().touch("ann", purchase("p", 0, POINTS * 100))
    first.commit(LoyaltyStage(first, programme(EUROS), CLOCK, 100).decide([bought]))

    answers = list(zip(*asked_at_once(worker_on(first), worker_on(opened())), strict=True))

    accepted = [one for one, _ in answers if isinstance(one, Accepted)]
    assert len(accepted) == POINTS // EACH
    assert sorted(one.said.balance for one in accepted) == list(range(POINTS % EACH, POINTS, EACH))
    for one, other in answers:
        if isinstance(one, Accepted):
            assert isinstance(other, Accepted)
            assert (one.said, {one.repeated, other.repeated}) == (other.said, {False, True})
        else:
            assert one == other == TooFew(POINTS % EACH, POINTS % EACH)
    shown = Installation(programme(EUROS))
    shown.store = opened()  # type: ignore[assignment]
    shown.stage = LoyaltyStage(shown.store, programme(EUROS), CLOCK)
    account = shown.account(ANN)
    assert (account["balance"], account["redeemed"]) == (POINTS % EACH, POINTS - POINTS % EACH)
    assert_ledger(shown, ANN, account)
