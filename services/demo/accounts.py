"""Simulated: customers open an account, which links their customer number to a mail address and a telephone."""

from collections.abc import Iterator
from typing import Any

from services.demo.dice import Dice
from services.demo.people import OFFICE_PHONE, Person, person
from services.demo.shop import SOURCE, Order, Shop
from services.demo.wire import DAY, HOUR, MINUTE, Named, Touchpoint, simulated

OFFICE_SIZE = 15
WORDING = "2025-01"


def registered_orders(shop: Shop) -> list[Order]:
    """The first order of everybody who has an account."""
    return [order for order in shop.first_orders.values() if person(order.customer).registered]


def registrations(shop: Shop) -> Iterator[Touchpoint]:
    """An account each, within three weeks of the first order; a third of them say whether they want mail."""
    dice = Dice("registrations")
    for index, order in enumerate(registered_orders(shop)):
        someone = person(order.customer)
        at = order.at + dice.between(5 * MINUTE, 20 * DAY)
        who = [someone.customer_id, someone.email_as_typed, *_phones(someone, index)]
        yield simulated("identify", f"sim-account-{someone.number}", at, SOURCE, who, {"traits": _traits(someone, dice)})
        if dice.chance(0.35):
            granted = {"purpose": "marketing", "channel": "email", "granted": dice.chance(0.8), "wording_version": WORDING}
            yield simulated("consent", f"sim-consent-{someone.number}", at + MINUTE, SOURCE, [someone.customer_id], granted)


def _phones(someone: Person, index: int) -> list[Named]:
    """The telephone that was given: for most their own, for one office the same for all, for a few one that cannot be."""
    if index < OFFICE_SIZE:
        return [("phone", OFFICE_PHONE)]
    if index % 400 == 7:
        return [("phone", "0000000000")]
    return [someone.phone] if someone.gave_phone or someone.shares_phone else []


def _traits(someone: Person, dice: Dice) -> dict[str, Any]:
    traits: dict[str, Any] = {"first_name": someone.first_name, "last_name": someone.last_name, "city": someone.city}
    if dice.chance(0.5):
        traits["birthday"] = someone.birthday
    if dice.chance(0.25):
        traits["preferred_channel"] = dice.pick(("mail", "phone", "webchat"))
    return traits


def undone_links(shop: Shop) -> Iterator[Touchpoint]:
    """Three couples have one telephone: a colleague takes back that it is the second one's."""
    seconds = [order for order in registered_orders(shop) if person(order.customer).shares_phone and int(order.customer) % 2]
    for order in seconds[:3]:
        someone = person(order.customer)
        void = {"step": "voided", "by": "desk", "reason": "a couple's telephone"}
        yield simulated("link", f"sim-undone-{someone.number}", order.at + 30 * DAY, SOURCE, [someone.customer_id, someone.phone], void)


def memberships(shop: Shop) -> Iterator[Touchpoint]:
    """Some buy the Gold Club's card for a year; half of them renew it, some cancel."""
    dice = Dice("memberships")
    for order in dice.some(registered_orders(shop), 700):
        someone = person(order.customer)
        joined = order.at + dice.between(1, 60) * DAY + dice.between(-3, 5) * HOUR
        who = [someone.customer_id, someone.card]
        fee = {"programme": "Gold Club", "fee_minor": 1900, "currency": "USD"}
        yield simulated("membership", f"sim-club-{someone.number}-1", joined, SOURCE, who, fee | {"step": "joined"})
        if dice.chance(0.2):
            left = {"programme": "Gold Club", "step": "cancelled"}
            yield simulated("membership", f"sim-club-{someone.number}-2", joined + dice.between(30, 200) * DAY, SOURCE, who, left)


def chat_logins(sessions: list[tuple[Named, Named, int]], shop: Shop) -> Iterator[Touchpoint]:
    """Seven of ten chatting people log in once during a chat, which tells whose session and handle it is.

    ``sessions``: for each chatting person one session, the handle, and when the chat began (seconds since 1970).
    """
    dice = Dice("chat logins")
    accounts = dice.some(registered_orders(shop), len(sessions))
    for (session, handle, began), order in zip(sessions, accounts, strict=True):
        if not dice.chance(0.7):
            continue
        someone = person(order.customer)
        who = [someone.customer_id if dice.chance(0.5) else someone.email, handle, session]
        traits = {"first_name": someone.first_name}
        yield simulated("identify", f"sim-chat-login-{handle[1][9:]}", began + MINUTE, "webchat", who, {"traits": traits})
