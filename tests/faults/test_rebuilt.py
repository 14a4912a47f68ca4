"""What differs between the state built again and the live one: time alone moves both on, and one is looked at before the other."""

from collections.abc import Callable

import pytest

from services.chaos import rebuilt
from services.chaos.rebuilt import Living, apart

BEFORE, AFTER, OTHER = {"available": 0, "pending": 215}, {"available": 215, "pending": 0}, {"available": 3, "pending": 0}


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rebuilt, "LOOK_SECONDS", 0.0)


def looks(*seen: Living) -> Callable[[], Living]:
    """What each look sees; the last for ever."""
    left = list(seen)
    return lambda: left.pop(0) if len(left) > 1 else left[0]


def test_what_time_did_between_two_looks_is_no_difference() -> None:
    assert apart(looks({"a": AFTER}), looks({"a": BEFORE}, {"a": BEFORE}, {"a": AFTER})) == ({}, {})


def test_another_that_moves_on_meanwhile_is_none_either() -> None:
    again = looks({"a": AFTER, "b": BEFORE}, {"a": AFTER, "b": AFTER})
    assert apart(again, looks({"a": BEFORE, "b": BEFORE}, {"a": AFTER, "b": BEFORE})) == ({}, {})


def test_what_differs_at_every_look_is_told_of_both_sides() -> None:
    again = looks({"a": AFTER, "b": AFTER, "c": AFTER})
    live = looks({"a": OTHER, "b": AFTER, "d": AFTER})
    assert apart(again, live, within=0.05) == ({"a": AFTER, "c": AFTER}, {"a": OTHER, "d": AFTER})
