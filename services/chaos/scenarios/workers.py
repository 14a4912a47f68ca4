"""Several workers of one stage: zombies, and workers that come and go."""

import signal
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from services.chaos.play import Play, Scenario
from services.chaos.quiet import client_of
from services.chaos.stack import Stack
from services.chaos.tills import Spend, spent
from services.chaos.traffic import Mix

SECOND = "profile-2"


def zombie(it: Play) -> None:
    """Stopped past its session timeout while it works; another worker takes over; then it wakes and goes on as if nothing was."""
    first, second, third = it.parts(3)
    it.stack.start("profile", SECOND)
    it.until(lambda: partitions(it.stack, SECOND) > 0 or "none", f"{SECOND} to get partitions")
    it.send(first)
    it.under_way(it.sender.left // 2)
    it.stack.kill("profile", signal.SIGSTOP)
    it.harm("SIGSTOP of a profile worker")
    try:
        it.send(second)
        with suppress(TimeoutError):  # where it holds the store's lock nobody can take over: then waking it is all that helps
            it.until(lambda: partitions(it.stack, SECOND) == 4 or "not all", f"{SECOND} to take over", it.times(12, 45))
            it.notes["taken over"] = "yes"
    finally:
        it.stack.kill("profile", signal.SIGCONT)
        it.harm("SIGCONT of the zombie")
    it.send(third)
    it.answered()
    it.quiet()
    it.must(it.stack.end(SECOND) == 0, f"{SECOND} did not leave with 0")


def rebalance_storm(it: Play) -> None:
    """A worker joins or leaves every few seconds."""
    for part in it.parts(it.times(4, 20)):
        it.send(part)
        if SECOND in it.stack.services:
            it.stack.end(SECOND, it.rnd.choice((signal.SIGTERM, signal.SIGKILL)))
            it.harm("a profile worker left")
            it.pace(it.times(1, 5))
        else:
            it.stack.start("profile", SECOND)
            it.harm("a profile worker joined")
            it.until(lambda: partitions(it.stack, SECOND) > 0 or "none", f"{SECOND} to get partitions")
    it.answered()
    if SECOND in it.stack.services:
        it.stack.end(SECOND)


def merge_race(it: Play) -> None:
    """Two profile workers and two loyalty workers decide at once on customers that keep turning out to be the same."""
    for name in ("profile", "loyalty"):
        it.stack.start(name, f"{name}-2")
    it.until(it.stack.healthy, "the second workers")
    begin, rest = it.parts(2)
    it.send(begin)
    it.harm("two workers of profile and of loyalty at once")
    it.until(lambda: len(_rich(it)) >= it.times(20, 100) or "few", "accounts with points")
    it.send(rest)
    _spend(it, _rich(it))
    it.answered()
    it.quiet()
    for name in ("profile", "loyalty"):
        it.must(it.stack.end(f"{name}-2") == 0, f"{name}-2 did not leave with 0")


def _rich(it: Play) -> list[tuple[str, int]]:
    """Accounts that have changed last among those with points, and how many these can spend."""
    query = "SELECT toString(account_id), available FROM rapport.loyalty_accounts WHERE available > 1"
    limit = "ORDER BY as_of DESC, account_id LIMIT %(most)s"
    return list(client_of(it.stack).execute(f"{query} {limit}", {"most": it.times(100, 500)}))


def _spend(it: Play, rich: list[tuple[str, int]]) -> None:
    """At both workers at once, what each account had; so of two customers who turn out to be one, both spend."""

    def at(slot: str) -> Counter[int]:
        spends = (Spend(f"{slot}-{it.seed}-{account}", account, max(1, points // 2)) for account, points in rich)
        return Counter(told.status for told in spent(it.stack, slot, spends))

    with ThreadPoolExecutor(2) as threads:
        for statuses in threads.map(at, ("loyalty", "loyalty-2")):
            it.harm("a redemption accepted while customers merge", statuses[200])
            it.harm("a redemption refused while customers merge", statuses[404] + statuses[409])


def partitions(stack: Stack, slot: str) -> int:
    """Of ``touchpoints``, how many that worker has, as its metrics say."""
    lines = stack.shows(slot).splitlines()
    return sum(line.startswith("rapport_lag_messages{") for line in lines)


SCENARIOS = (
    Scenario("zombie", 5, "a worker is stopped past its session timeout, and wakes", zombie, short=True),
    Scenario("rebalance-storm", 6, "a worker joins or leaves all the time", rebalance_storm, short=True),
    Scenario(
        "merge-race", 20, "merges racing with purchases, refunds and redemptions, in two workers", merge_race, Mix(late=0.3), short=True
    ),
)
