"""A stage that sees only bad input stops before it moves; some bad input never stops it."""

from collections import Counter

import pytest

from services.runtime.quarantine_limit import OnlyBadInput, QuarantineLimit

BAD, GOOD = ("quarantined", "not_json"), ("applied", "")


def take(limit: QuarantineLimit, good: int, bad: int) -> None:
    limit.remember(limit.check(Counter({GOOD: good, BAD: bad})))


def test_a_batch_of_nothing_but_bad_input_is_refused_with_the_reason_and_the_remedy() -> None:
    with pytest.raises(OnlyBadInput, match=r"1000 of the latest 1000 .*not_json.*MAX_QUARANTINE_SHARE"):
        take(QuarantineLimit(0.5), 0, 1_000)


def test_it_is_refused_again_when_it_is_offered_again() -> None:
    limit = QuarantineLimit(0.5)
    for _ in range(2):
        with pytest.raises(OnlyBadInput):
            take(limit, 0, 1_000)


def test_bad_input_that_trickles_in_adds_up_over_batches() -> None:
    limit = QuarantineLimit(0.5)
    for _ in range(9):
        take(limit, 10, 90)
    with pytest.raises(OnlyBadInput):
        take(limit, 10, 90)


def test_a_share_below_the_limit_and_a_few_bad_messages_alone_never_stop_it() -> None:
    limit = QuarantineLimit(0.5)
    for _ in range(50):
        take(limit, 60, 40)
    take(QuarantineLimit(0.5), 0, 999)


def test_without_a_limit_nothing_stops_it() -> None:
    take(QuarantineLimit(1.0), 0, 100_000)
