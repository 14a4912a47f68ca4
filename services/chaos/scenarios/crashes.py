"""Processes that die: at any moment, all the time, at the worst points, or because they were asked to."""

import signal
from collections.abc import Sequence

from services.chaos.play import Play, Scenario
from services.chaos.stack import SERVICES, STAGES
from services.chaos.traffic import Request
from services.runtime.failpoints import VARIABLE

POINTS = {
    "before_commit": ("profile", "loyalty"),
    "after_commit": ("profile", "loyalty"),
    "after_produce": ("profile", "loyalty"),
    "before_offset_commit": STAGES,
    "after_touchpoints": ("projections",),
    "after_insert": ("projections",),
    "after_positions": ("projections",),
}
TIMES = {"before_offset_commit": 1}
"""At which time of coming there it dies: offsets are committed every few seconds only."""
SHORT = {("before_commit", "profile"), ("after_commit", "loyalty"), ("after_produce", "profile"), ("after_insert", "projections")}
"""The most telling ones."""
TERM_WITHIN = 10.0


def nothing(it: Play) -> None:
    """What all others are measured against."""
    it.send(it.requests)
    it.answered()


def kill_any(it: Play) -> None:
    for part in it.parts(it.times(4, 50)):
        slot = it.rnd.choice(SERVICES)
        if it.rnd.random() < 0.7:
            it.answers_again(slot)  # else it dies while it starts
        it.send(part)
        it.under_way(it.sender.left // 2)
        it.stack.kill(slot)
        it.harm(f"kill -9 of {slot}")
    it.answered()


def kill_storm(it: Play) -> None:
    """One processor dies before it gets anywhere; then it must drain what came meanwhile."""
    it.send(it.requests)
    for _ in range(it.times(5, 30)):
        it.stack.kill("profile")
        it.harm("kill -9 of profile")
        it.pace(1.0)


def crash_points(it: Play) -> None:
    """Every stage kills itself at every point that it has: the second time it comes there after each start."""
    points = [(point, slot) for point, slots in POINTS.items() for slot in slots if it.full or (point, slot) in SHORT]
    for (point, slot), part in zip(points, it.parts(len(points)), strict=False):
        _crash_at(it, point, slot, part)
    it.answered()


def _crash_at(it: Play, point: str, slot: str, part: Sequence[Request]) -> None:
    """There is always something to do for the stage; the point is off again when it has died there often enough."""
    service, waiting, wanted = it.stack.services[slot], list(part), it.times(1, 20)
    it.stack.reconfigure(slot, {VARIABLE: f"{point}:kill:{TIMES.get(point, 2)}"})
    before = service.restarts + 1
    it.stack.kill(slot, signal.SIGTERM)
    it.until(lambda: service.restarts == before or "not yet", f"{slot} to start")

    def died() -> bool | str:
        if it.sender.left == 0:
            it.send([waiting.pop(0)] if waiting else it.more(5))
        return service.restarts >= before + wanted or f"{service.restarts - before} times"

    it.until(died, f"{slot} to die at {point}", within=10.0 * (2 + wanted), every=0.1)
    it.harm(f"crash of {slot} {point.replace('_', ' ')}", wanted)
    it.stack.reconfigure(slot, {VARIABLE: ""})
    it.stack.kill(slot, signal.SIGTERM)
    it.send(waiting)


def terminate(it: Play) -> None:
    """SIGTERM under load: out within 10 s, with 0, and nothing lost."""
    slowest = 0.0
    for part in it.parts(it.times(4, 20)):
        slot = SERVICES[sum(it.faults.values()) % len(SERVICES)]
        it.answers_again(slot)
        it.send(part)
        it.under_way(it.sender.left // 2)
        process = it.stack.services[slot].process
        it.stack.kill(slot, signal.SIGTERM)
        it.harm(f"SIGTERM of {slot}")
        took = it.until(lambda process=process: process.poll() is not None or "still here", f"{slot} to leave", 2 * TERM_WITHIN)  # type: ignore[misc]
        slowest = max(slowest, took)
        it.must(took <= TERM_WITHIN, f"{slot} left {took:.1f} s after SIGTERM")
        it.must(process.returncode == 0, f"{slot} left with {process.returncode}")
    it.answered()
    it.notes["slowest exit after SIGTERM"] = f"{slowest:.1f} s"


SCENARIOS = (
    Scenario("no-fault", 0, "nothing goes wrong", nothing, short=True),
    Scenario("kill-any", 1, "kill -9 of a random service, again and again", kill_any, short=True),
    Scenario("kill-storm", 2, "a kill -9 of profile every second", kill_storm, short=True),
    Scenario("crash-points", 3, "every stage kills itself at its worst points", crash_points, short=True),
    Scenario("terminate", 4, "SIGTERM under load", terminate, short=True),
)
