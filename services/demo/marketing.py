"""Simulated: campaigns by mail, visits to the web shop, and what people say on social networks."""

from collections.abc import Iterator
from datetime import date

from services.demo.dice import Dice
from services.demo.people import Person, person
from services.demo.shop import Shop
from services.demo.wire import DAY, HOUR, MINUTE, Touchpoint, noon, simulated

CAMPAIGNS = (
    ("spring-2025", date(2025, 4, 10), "Spring records, 10 % off"),
    ("summer-2025", date(2025, 7, 10), "Songs for the road"),
    ("holidays-2025", date(2025, 11, 20), "Give music"),
    ("spring-2026", date(2026, 3, 12), "New this spring"),
)
RECIPIENTS = 1800
PAGES = ("/new", "/classical", "/jazz", "/rock", "/offers", "/cart", "/help")
MENTIONS = ("Great shop", "Fast delivery!", "My order came late", "Where is my CD?", "Love the jazz corner", "Support did not answer")


def campaigns(shop: Shop) -> Iterator[Touchpoint]:
    """Each campaign goes to some of the addresses known by then: sent, delivered or bounced, opened, clicked, unsubscribed."""
    dice = Dice("campaigns")
    for campaign, day, subject in CAMPAIGNS:
        known = [order.customer for order in shop.first_orders.values() if person(order.customer).registered and order.at < noon(day)]
        for number in dice.some(known, RECIPIENTS):
            someone, at = person(number), noon(day) - 3 * HOUR
            for action, after in _steps(dice):
                at += after
                payload = {"direction": "outbound", "kind": "campaign", "action": action, "campaign_id": campaign, "subject": subject}
                yield simulated("email", f"sim-{campaign}-{number}-{action}", at, "mail", [someone.email], payload)


def _steps(dice: Dice) -> list[tuple[str, int]]:
    """What becomes of one mail, each step with the seconds since the one before."""
    sent = [("sent", dice.between(0, 2 * HOUR))]
    if dice.chance(0.02):
        return [*sent, ("bounced", dice.between(1, 40))]
    steps = [*sent, ("delivered", dice.between(1, 90))]
    if dice.chance(0.38):
        steps.append(("opened", dice.between(MINUTE, 2 * DAY)))
        if dice.chance(0.25):
            steps.append(("clicked", dice.between(3, 10 * MINUTE)))
        elif dice.chance(0.02):
            steps.append(("unsubscribed", dice.between(5, 5 * MINUTE)))
    return steps


def visits(shop: Shop) -> Iterator[Touchpoint]:
    """Before some orders people look around; the cart, which some reach, knows who is logged in."""
    dice = Dice("visits")
    for order in dice.some(shop.orders, 5500):
        someone = person(order.customer)
        browser = someone.browser(dice.between(1, 2))
        at = order.at - dice.between(20 * MINUTE, 3 * DAY)
        for page in range(dice.between(1, 3)):
            at += dice.between(5, 4 * MINUTE)
            event_id = f"sim-visit-{order.row:05d}-{page}"
            payload = {"place": "page", "name": dice.pick(PAGES), "campaign": dice.pick(CAMPAIGNS)[0] if dice.chance(0.1) else None}
            logged_in = someone.registered and payload["name"] == "/cart"
            who = [someone.customer_id, browser] if logged_in else [browser]
            yield simulated("visit", event_id, at, "web", who, payload)


def social(shop: Shop) -> Iterator[Touchpoint]:
    """Mentions by handle, some answered; a few people connect the handle with their account."""
    dice = Dice("social")
    for order in dice.some(shop.orders, 1000):
        someone = person(order.customer)
        at = order.at + dice.between(HOUR, 12 * DAY)
        thread = f"sim-post-{order.row:05d}"
        said = {"network": someone.network, "kind": "mention", "handle": someone.handle[1], "conversation_id": thread}
        heard = {"text": dice.pick(MENTIONS), "reach": dice.between(10, 5000), "sentiment": dice.between(-10, 10) / 10}
        yield simulated("social", thread, at, "social", [someone.handle], said | heard)
        if dice.chance(0.4):
            yield _reply(someone, thread, at + dice.between(5 * MINUTE, 20 * HOUR))
        if someone.registered and dice.chance(0.6):
            yield _connected(someone, at + HOUR)


def _reply(someone: Person, thread: str, at: int) -> Touchpoint:
    payload = {"network": someone.network, "kind": "reply", "direction": "outbound", "text": "Thank you!", "conversation_id": thread}
    return simulated("social", f"{thread}-reply", at, "social", [someone.handle], payload)


def _connected(someone: Person, at: int) -> Touchpoint:
    payload = {"traits": {"social_network": someone.network}}
    return simulated("identify", f"sim-connected-{someone.number}-{at}", at, "social", [someone.email, someone.handle], payload)
