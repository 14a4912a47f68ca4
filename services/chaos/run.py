"""Plays scenarios one after another on one stack, and says what came of them."""

import contextlib
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from services.chaos.catalogue import OVER_POSTGRES, SCENARIOS
from services.chaos.invariants import Check
from services.chaos.log_reader import LogReader
from services.chaos.play import Result, Scenario, play
from services.chaos.report import report
from services.chaos.sender import Promised
from services.chaos.stack import Stack, running_stack

LEAST_EVENTS = 500
BUGS = Path(__file__).with_name("bugs_found.md")


@dataclass
class Bench:
    """A stack, what ingest has promised so far, and the check of all that the stack has so far."""

    stack: Stack
    log: LogReader
    promised: Promised
    check: Check

    def play(self, scenario: Scenario, events: int, seed: int, full: bool) -> Result:
        return play(scenario, self.stack, self.log, self.promised, self.check, events, seed, full)


@contextlib.contextmanager
def running_bench(folder: Path | None = None, store_url: str = "") -> Iterator[Bench]:
    with running_stack(folder, store_url) as stack:
        log, promised = LogReader(stack.bootstrap), Promised()
        yield Bench(stack, log, promised, Check(stack, log, promised))


def named(names: Sequence[str], postgres: bool = False) -> list[Scenario]:
    """Those scenarios; without a name all that can be played over such stores. KeyError names one that there is not."""
    known = {scenario.name: scenario for scenario in (OVER_POSTGRES if postgres else SCENARIOS)}
    return [known[name] for name in names] if names else list(known.values())


def run_all(
    scenarios: Sequence[Scenario],
    events: int,
    seed: int,
    full: bool,
    begins: Callable[[Scenario, int, int], None],
    tell: Callable[[Result], None],
    report_to: Path | None,
    store_url: str = "",
) -> list[Result]:
    """``begins`` is told which one of how many, ``tell`` what came of it. ``events`` are shared out evenly. After a failure the next
    scenario gets a stack of its own; the report is written after each."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # or the stack's processes would stay
    results: list[Result] = []
    each = max(LEAST_EVENTS, events // max(1, len(scenarios)))
    waiting = list(scenarios)
    while waiting:
        with running_bench(store_url=store_url) as bench:
            while waiting:
                begins(waiting[0], len(results) + 1, len(scenarios))
                results.append(bench.play(waiting.pop(0), each, seed, full))
                tell(results[-1])
                if report_to is not None:
                    report_to.write_text(report(results, BUGS.read_text(encoding="utf-8")), encoding="utf-8")
                if results[-1].wrong:
                    break
    return results
