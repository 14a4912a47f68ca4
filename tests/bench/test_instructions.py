"""No stage may come to need a fifth more of Python's instructions for an event than was noted: counted, not timed, so the same anywhere."""

import pytest

from bench.instructions import counted, instructions_an_event, noted

A_FIFTH_MORE = 1.2


def test_no_stage_takes_a_fifth_more_instructions_an_event_than_was_noted() -> None:
    before = noted()
    if before is None:
        pytest.skip("nothing is noted for this version of Python: python -m bench.instructions --note")
    now = instructions_an_event()
    grown = {name: f"{count} instead of {before[name]}" for name, count in now.items() if count > A_FIFTH_MORE * before[name]}
    assert not grown, "if it is worth that much, note it: python -m bench.instructions --note"
    assert now.keys() == before.keys()


def test_what_does_twice_the_work_takes_twice_the_instructions() -> None:
    def work(turns: int) -> int:
        return sum(number for number in range(turns))

    once, twice = counted(lambda: work(1_000)), counted(lambda: work(2_000))
    assert 1.9 < twice / once < 2.1
