"""Fetches leave some time apart, so that each brings what came meanwhile."""

from typing import Any

from services.runtime.batch_consumer import _paced

LOOKS_AGAIN = 0.2


class Fetcher:
    """As aiokafka's: it would fetch from these brokers, and look again after a while."""

    def __init__(self) -> None:
        self.now, self.wanted = 100.0, [1]
        self.paced = _paced(self.actions, 0.05, lambda: self.now)

    def actions(self, assignment: Any) -> Any:
        return [(node, f"fetch from {node}") for node in self.wanted], {}, LOOKS_AGAIN, False, []

    def asks(self) -> list[int]:
        return [node for node, _ in self.paced(None)[0]]


def test_the_first_record_after_a_pause_is_fetched_at_once() -> None:
    fetcher = Fetcher()
    assert fetcher.asks() == [1]

    fetcher.now += 0.3  # so long the broker had nothing
    assert fetcher.asks() == [1]


def test_while_records_come_the_next_fetch_waits_for_its_time() -> None:
    fetcher = Fetcher()
    fetcher.asks()

    fetcher.now += 0.02
    fetches, _, again, *_ = fetcher.paced(None)

    assert fetches == []
    assert round(again, 3) == 0.03
    fetcher.now += again
    assert fetcher.asks() == [1]


def test_a_broker_does_not_wait_for_another() -> None:
    fetcher = Fetcher()
    fetcher.asks()

    fetcher.now += 0.02
    fetcher.wanted = [1, 2]
    assert fetcher.asks() == [2]

    fetcher.now += 0.04
    assert fetcher.asks() == [1]


def test_without_anything_to_fetch_it_looks_again_as_ever() -> None:
    fetcher = Fetcher()
    fetcher.wanted = []

    assert fetcher.paced(None)[2] == LOOKS_AGAIN
