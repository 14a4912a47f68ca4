"""Simulated: complaints through all their steps, and surveys after calls, complaints and orders."""

from collections.abc import Iterator
from dataclasses import dataclass

from services.demo.conversations import Call
from services.demo.dice import Dice
from services.demo.people import person
from services.demo.shop import Order, Shop
from services.demo.wire import DAY, HOUR, MINUTE, Named, Touchpoint, simulated

PATH = ("received", "classified", "assigned", "handled", "answered", "archived")
CATEGORIES = ("late delivery", "damaged disc", "wrong item", "invoice", "advertising")
SEVERITIES = ("low", "normal", "normal", "high", "critical")


@dataclass(frozen=True, slots=True)
class Complaint:
    """A complaint and the moments of its steps, in seconds since 1970: the steps of PATH, as far as it got."""

    case_id: str
    who: list[Named]
    order: Order
    steps: list[int]
    reopened: bool


def complaints(shop: Shop) -> list[Complaint]:
    """Nine hundred complaints; some stop on the way, and some of those archived are opened again."""
    dice = Dice("complaints")
    made = []
    for order in dice.some(shop.orders, 900):
        someone = person(order.customer)
        at, steps = order.at + dice.between(DAY, 25 * DAY), list[int]()
        for _ in range(len(PATH) if dice.chance(0.85) else dice.between(1, 5)):
            steps.append(at)
            at += dice.between(10 * MINUTE, 40 * HOUR)
        who = [someone.email] if dice.chance(0.3) else [someone.customer_id]
        made.append(Complaint(f"C{order.row:05d}", who, order, steps, reopened=dice.chance(0.04)))
    return made


def cases(made: list[Complaint]) -> Iterator[Touchpoint]:
    """Receive, classify, handle, answer, archive: a touchpoint each."""
    dice = Dice("cases")
    for complaint in made:
        known = {"case_id": complaint.case_id, "category": dice.pick(CATEGORIES), "severity": dice.pick(SEVERITIES)}
        for step, at in zip(PATH, complaint.steps, strict=False):
            payload = known | {"step": step} if step != "received" else {"case_id": complaint.case_id, "step": step}
            yield simulated("case", f"sim-case-{complaint.case_id}-{step}", at, "crm", complaint.who, payload)
        if complaint.reopened and len(complaint.steps) == len(PATH):
            at = complaint.steps[-1] + dice.between(HOUR, 9 * DAY)
            yield simulated("case", f"sim-case-{complaint.case_id}-reopened", at, "crm", complaint.who, known | {"step": "reopened"})


def surveys(shop: Shop, made: list[Complaint], taken: list[Call]) -> Iterator[Touchpoint]:
    """Asked after calls, answered complaints and some orders. Whoever does not answer has no score: unknown, not content."""
    dice = Dice("surveys")
    for call in taken:
        if call.answered and dice.chance(0.3):
            score = dice.between(3, 5) if call.wait_seconds < 120 else dice.between(1, 4)
            about = {"type": "call", "id": call.call_id}
            payload = _asked(dice, 0.45, "csat", 5, score, 4) | {"about": about}
            yield _survey(f"sim-survey-{call.call_id}", call.at + HOUR, [person(call.order.customer).phone], payload)
    for complaint in made:
        if len(complaint.steps) >= PATH.index("answered") + 1:
            slow = complaint.steps[4] - complaint.steps[0] > 4 * DAY
            about = {"type": "case", "id": complaint.case_id}
            payload = _asked(dice, 0.5, "csat", 5, dice.between(1, 3) if slow else dice.between(2, 5), 4) | {"about": about}
            yield _survey(f"sim-survey-{complaint.case_id}", complaint.steps[4] + DAY, complaint.who, payload)
    for order in dice.some(shop.orders, 1600):
        payload = _asked(dice, 0.35, "nps", 10, dice.between(4, 10), 8) | {"about": {"type": "order", "id": order.order_id}}
        yield _survey(f"sim-survey-{order.order_id}", order.at + 14 * DAY, [person(order.customer).customer_id], payload)


def _asked(dice: Dice, answering: float, kind: str, scale: int, score: int, expected: int) -> dict[str, object]:
    asked: dict[str, object] = {"kind": kind, "scale": scale}
    return asked | ({"score": score, "expected": expected} if dice.chance(answering) else {"score": None})


def _survey(event_id: str, at: int, who: list[Named], payload: dict[str, object]) -> Touchpoint:
    return simulated("survey", event_id, at, "survey", who, payload)
