"""One scenario under way: its traffic, its faults, and what came of them."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from services.chaos.invariants import Check
from services.chaos.log_reader import LogReader
from services.chaos.memory import MemoryCurves
from services.chaos.quiet import quiet
from services.chaos.sender import Promised, Sender
from services.chaos.stack import Stack
from services.chaos.traffic import Mix, Request, in_parts, requests
from services.chaos.waiting import POLL, wait_for

ANSWERED_WITHIN = 120.0
LOOK_SECONDS = 0.1
"""Between two looks at everything, which cost processor time that the stages need."""
QUIET_WITHIN = 60.0
"""I5, from the last fault (or the last answer, if that came later)."""


SQLITE, POSTGRES = "SQLite", "PostgreSQL"


@dataclass(frozen=True)
class Scenario:
    """``fault``: its number in the list of faults. ``short``: continuous integration runs it. ``store``: what the stages' stores must be;
    empty: either."""

    name: str
    fault: int
    what: str
    play: Callable[["Play"], None]
    mix: Mix = field(default_factory=Mix)
    short: bool = False
    store: str = ""


@dataclass
class Result:
    """What came of one scenario. ``wrong`` is empty where every invariant held."""

    scenario: str
    fault: int
    what: str
    seed: int
    full: bool
    events: int
    faults: dict[str, int]
    wrong: list[str]
    recovered_in: float
    seconds: float
    notes: dict[str, str]
    figures: dict[str, int]
    memory: MemoryCurves | None = None
    store: str = SQLITE

    @property
    def command(self) -> str:
        """What repeats it."""
        more = ("" if self.full else " --short") + (" --store-url URL" if self.store == POSTGRES else "")
        return f"rapport chaos --scenario {self.scenario} --events {self.events} --seed {self.seed}{more}"


class Play:
    """What a scenario works with. It sends ``requests`` in parts and does harm in between; healing and checking come after."""

    def __init__(self, stack: Stack, log: LogReader, promised: Promised, scenario: Scenario, events: int, seed: int, full: bool) -> None:
        self.stack, self.log, self.promised, self.full, self.seed = stack, log, promised, full, seed
        self.rnd = random.Random(f"{scenario.name}/{seed}/faults")
        self._today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        self.name, self._mix, self._extra = f"{scenario.name}-{seed}", scenario.mix, 0
        self._name = scenario.name
        self.requests = requests(scenario.name, seed, events, self._today, scenario.mix)
        self.faults: Counter[str] = Counter()
        self.notes: dict[str, str] = {}
        self.memory: MemoryCurves | None = None
        self.wrong: list[str] = []
        self.sender = Sender(stack.services["ingest"].port, stack.key, promised)
        self._harmed = time.monotonic()

    def more(self, events: int) -> list[Request]:
        """Traffic that was not sent before, beyond what the run was asked for."""
        self._extra += 1
        return requests(f"{self._name}-more{self._extra}", self.seed, events, self._today, self._mix)

    def keep_sending(self, events: int) -> None:
        """More of them once those before are answered, so that never more wait than that. Call it while something is waited for."""
        if self.sender.left == 0:
            self.send(self.more(events))

    def times(self, short: int, full: int) -> int:
        return full if self.full else short

    def parts(self, count: int) -> list[Sequence[Request]]:
        """The traffic in exactly so many parts of about one size."""
        return in_parts(self.requests, count)

    def send(self, part: Sequence[Request]) -> None:
        """Without waiting for the answers."""
        self.sender.send(part)

    def answered(self, within: float = ANSWERED_WITHIN) -> float:
        """Waits until everything sent was answered 200; the seconds it took."""
        return wait_for(lambda: self.sender.left == 0 or f"{self.sender.left} requests", "answers", within)

    def under_way(self, count: int) -> None:
        """Waits until no more than so many requests are unanswered."""
        wait_for(lambda: self.sender.left <= count or f"{self.sender.left} requests", "answers", ANSWERED_WITHIN)

    def until(self, condition: Callable[[], bool | str], what: str, within: float = QUIET_WITHIN, every: float = POLL) -> float:
        return wait_for(condition, what, within, every)

    def answers_again(self, slot: str) -> None:
        self.until(lambda: self.stack.answers(slot), f"{slot} to answer again")

    def quiet(self, within: float = QUIET_WITHIN) -> float:
        """Waits until all that was said has arrived everywhere."""
        return wait_for(lambda: quiet(self.stack, self.log), "quiet", within, LOOK_SECONDS)

    def harm(self, what: str, count: int = 1) -> None:
        """Counts a fault that was just injected."""
        self.faults[what] += count
        self._harmed = time.monotonic()

    def must(self, holds: bool, what: str) -> None:
        """A claim of the scenario's own."""
        if not holds:
            self.wrong.append(what)

    def pace(self, seconds: float) -> None:
        """The rhythm of a schedule that asks for one. Nothing may count on what happens meanwhile."""
        threading.Event().wait(seconds)

    def recover(self) -> float:
        """Heals everything and waits for quiet. Seconds from the last fault, or from the last answer where that came later."""
        self.stack.kafka_proxy.pass_all()
        self.stack.clickhouse_proxy.pass_all()
        if self.stack.store_proxy:
            self.stack.store_proxy.pass_all()
        if self.answered() > 0.1:
            self._harmed = time.monotonic()
        self.quiet()
        return time.monotonic() - self._harmed


def play(scenario: Scenario, stack: Stack, log: LogReader, promised: Promised, check: Check, events: int, seed: int, full: bool) -> Result:
    """Plays it and checks everything the stack holds, what came before included."""
    began = time.monotonic()
    it = Play(stack, log, promised, scenario, events, seed, full)
    recovered, figures, restarts = 0.0, dict[str, int](), stack.restarts()
    try:
        scenario.play(it)
        recovered = it.recover()
        it.wrong += check.run().wrong
        figures = check.figures
    except Exception as failure:  # whatever it is, the other scenarios are played
        it.wrong.append(f"{type(failure).__name__}: {failure}")
    finally:
        it.sender.stop()
    if started := stack.restarts() - restarts:
        it.notes["processes started again"] = str(started)
    return Result(
        scenario.name,
        scenario.fault,
        scenario.what,
        seed,
        full,
        events,
        dict(it.faults),
        it.wrong,
        round(recovered, 1),
        round(time.monotonic() - began, 1),
        it.notes,
        figures,
        it.memory,
        POSTGRES if stack.store_url else SQLITE,
    )
