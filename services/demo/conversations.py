"""Simulated: calls, personal mails and short messages, around real orders."""

from collections.abc import Iterator
from dataclasses import dataclass

from services.demo.dice import Dice
from services.demo.people import person
from services.demo.shop import Order, Shop
from services.demo.wire import DAY, HOUR, MINUTE, Touchpoint, simulated

TOPICS = ("delivery", "return", "invoice", "recommendation", "damaged disc", "account")
AGENTS = ("Alex", "Billie", "Charlie", "Drew", "Eden", "Frankie")


@dataclass(frozen=True, slots=True)
class Call:
    """A call that took place, for the survey after it."""

    call_id: str
    order: Order
    at: int
    answered: bool
    wait_seconds: int


def telephone(shop: Shop) -> list[Call]:
    """Calls in the three weeks after some orders; the longer one waits, the likelier one hangs up."""
    dice = Dice("calls")
    calls = []
    for order in dice.some(shop.orders, 3500):
        wait = dice.between(0, 240)
        at = order.at + dice.between(4 * HOUR, 21 * DAY)
        calls.append(Call(f"sim-call-{order.row:05d}", order, at, not dice.chance(wait / 800), wait))
    return calls


def calls(taken: list[Call]) -> Iterator[Touchpoint]:
    """The exchange knows the number alone, and writes it in its own way."""
    dice = Dice("call details")
    for call in taken:
        payload = {
            "direction": "inbound",
            "outcome": "answered" if call.answered else "abandoned",
            "queue": dice.pick(("orders", "service")),
            "agent": dice.pick(AGENTS) if call.answered else None,
            "wait_seconds": call.wait_seconds,
            "duration_seconds": dice.between(40, 900) if call.answered else 0,
            "topic": dice.pick(TOPICS),
            "sentiment": dice.between(-8, 10) / 10 if call.answered else None,
        }
        yield simulated("call", call.call_id, call.at, "phone", [person(call.order.customer).phone_as_dialled], payload)


def mails(shop: Shop) -> Iterator[Touchpoint]:
    """A question by mail, and in most cases an answer within a day and a half."""
    dice = Dice("mails")
    for order in dice.some(shop.orders, 1400):
        thread, at = f"sim-mail-{order.row:05d}", order.at + dice.between(2 * HOUR, 15 * DAY)
        who = [person(order.customer).email]
        common = {"kind": "message", "conversation_id": thread, "subject": f"Question about {dice.pick(TOPICS)}"}
        asked = {"direction": "inbound", "action": "delivered", "sentiment": dice.between(-7, 7) / 10}
        yield simulated("email", thread, at, "mail", who, common | asked)
        if dice.chance(0.87):
            answer = common | {"direction": "outbound", "action": "sent"}
            yield simulated("email", f"{thread}-reply", at + dice.between(10 * MINUTE, 36 * HOUR), "mail", who, answer)


def short_messages(shop: Shop) -> Iterator[Touchpoint]:
    """A text when the parcel is on its way; some people answer by WhatsApp, and get an answer."""
    dice = Dice("short messages")
    for order in dice.some(shop.orders, 2600):
        someone, at = person(order.customer), order.at + dice.between(5 * HOUR, 3 * DAY)
        event_id = f"sim-sms-{order.row:05d}"
        notice = {"network": "sms", "direction": "outbound", "text": f"{order.order_id} is on its way", "action": "delivered"}
        yield simulated("message", event_id, at, "sms", [someone.phone], notice)
        if dice.chance(0.2):
            at += dice.between(2 * MINUTE, 10 * HOUR)
            talk = {"network": "whatsapp", "conversation_id": event_id}
            asked = talk | {"direction": "inbound", "text": dice.pick(("When will it come?", "Thanks!", "Can I change the address?"))}
            yield simulated("message", f"{event_id}-1", at, "whatsapp", [someone.phone], asked)
            answer = talk | {"direction": "outbound", "text": "We looked it up for you."}
            yield simulated("message", f"{event_id}-2", at + dice.between(30, 3 * HOUR), "whatsapp", [someone.phone], answer)
