"""A plugin of pytest for mutmut 3.7: names as it asks for them, and an end to tests that a mutant keeps from ending."""

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

LIMIT_S = 20.0
"""Of CPU, which a busy machine does not use up, for one test: more than ten times what the longest of them takes."""
TIMED_OUT = 36
"""How a process ends in which mutmut sees one."""


def pytest_itemcollected(item: pytest.Item) -> None:
    """mutmut asks for a name that pytest 9.2 gives otherwise. mutmut 3.8 asks rightly, but needs a click that faust-streaming excludes."""
    item._nodeid = item.nodeid  # type: ignore[attr-defined]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol() -> Iterator[None]:
    signal.signal(signal.SIGPROF, _end)
    signal.setitimer(signal.ITIMER_PROF, LIMIT_S)
    try:
        return (yield)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _end(*_: Any) -> None:
    os._exit(TIMED_OUT)
