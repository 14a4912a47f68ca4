"""No stage may come to need a fifth more of Python's instructions for an event than was noted: counted, not timed, so the same anywhere."""

import subprocess
import sys

import pytest

from bench import instructions


def test_no_stage_takes_a_fifth_more_instructions_an_event_than_was_noted() -> None:
    if instructions.noted() is None:
        pytest.skip("nothing is noted for this version of Python: python -m bench.instructions --note")
    checked = subprocess.run([sys.executable, "-m", "bench.instructions", "--check"], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_a_stage_that_takes_a_fifth_more_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(instructions, "noted", lambda: {"profile": 1_000, "loyalty": 1_000})
    monkeypatch.setattr(instructions, "instructions_an_event", lambda: {"profile": 1_201, "loyalty": 1_199})
    monkeypatch.setattr(sys, "argv", ["instructions", "--check"])
    assert instructions.main() == 1
    assert "\nprofile: more than 1.2" in capsys.readouterr().out


def test_what_does_twice_the_work_takes_twice_the_instructions() -> None:
    def work(turns: int) -> int:
        return sum(number for number in range(turns))

    once, twice = instructions.counted(lambda: work(1_000)), instructions.counted(lambda: work(2_000))
    assert 1.9 < twice / once < 2.1
