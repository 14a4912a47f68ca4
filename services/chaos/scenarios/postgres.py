"""PostgreSQL, where it holds the stages' stores: connections to it break, and its answers are lost, that of a COMMIT among them."""

from services.chaos.play import POSTGRES, Play, Scenario
from services.chaos.scenarios.broken_messages import cut_and_lose


def connections(it: Play) -> None:
    """All of them at once; in the middle of a message; and after what was asked for was done."""
    proxy = it.stack.store_proxy
    assert proxy is not None
    for part in it.parts(it.times(4, 30)):
        it.send(part)
        it.under_way(it.sender.left // 2)
        proxy.reset_all()
        it.harm("all connections to PostgreSQL reset")
        cut_and_lose(it, proxy, "PostgreSQL")
    it.answered()


def away(it: Play) -> None:
    """Nobody reaches it; what comes meanwhile waits in Kafka, and nothing goes to quarantine because of it."""
    proxy = it.stack.store_proxy
    assert proxy is not None
    for part in it.parts(it.times(1, 3)):
        proxy.refusing = True
        proxy.reset_all()
        it.harm("PostgreSQL out of reach")
        it.send(part)
        it.answered()
        it.pace(it.times(2, 30))
        proxy.refusing = False
        it.harm("PostgreSQL within reach again")
        it.quiet()


SCENARIOS = (
    Scenario("postgres-connections", 23, "connections to PostgreSQL reset, cut in mid-message, answers lost", connections, store=POSTGRES),
    Scenario("postgres-away", 23, "PostgreSQL out of reach", away, store=POSTGRES),
)
