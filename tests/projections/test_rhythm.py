"""How often projections write."""

import pytest

from services.projections.rhythm import AT_ONCE, Rhythm


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def beat(rhythm: Rhythm, clock: Clock, seconds: float) -> None:
    beat = rhythm.beat()
    with beat.part():
        clock.now += seconds
    beat.end()


def test_after_a_pause_it_is_due_at_once_and_then_after_the_least_time() -> None:
    clock = Clock()
    rhythm = Rhythm(1.0, 3.0, clock)
    assert rhythm.is_due()

    beat(rhythm, clock, 0.01)

    clock.now = 100.99
    assert not rhythm.is_due()
    clock.now = 101.0
    assert rhythm.is_due()


@pytest.mark.parametrize(("took", "next_after"), [(0.5, 2.0), (2.0, 3.0)])
def test_what_takes_long_comes_less_often_but_not_later_than_the_longest_time(took: float, next_after: float) -> None:
    clock = Clock()
    rhythm = Rhythm(1.0, 3.0, clock)

    beat(rhythm, clock, took)

    clock.now = 99.99 + next_after
    assert not rhythm.is_due()
    clock.now = 100.0 + next_after
    assert rhythm.is_due()


def test_one_that_failed_is_due_at_once() -> None:
    clock = Clock()
    rhythm = Rhythm(1.0, 3.0, clock)

    with pytest.raises(OSError, match="away"), rhythm.beat().part():
        raise OSError("away")

    assert rhythm.is_due()


def test_what_passes_between_the_parts_of_a_beat_does_not_make_it_rarer() -> None:
    clock = Clock()
    rhythm = Rhythm(1.0, 3.0, clock)

    beat = rhythm.beat()
    for _ in range(2):
        with beat.part():
            clock.now += 0.2
        clock.now += 0.3
    beat.end()

    clock.now = 101.5
    assert not rhythm.is_due()
    clock.now = 101.7
    assert rhythm.is_due()


def test_at_once_is_always_due() -> None:
    AT_ONCE.beat().end()

    assert AT_ONCE.is_due()
