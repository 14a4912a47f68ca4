"""Simulated: refunds of real orders, needs, sales opportunities, and what fits no other type."""

from collections.abc import Iterator

from services.demo.dice import Dice
from services.demo.people import person
from services.demo.shop import SOURCE, Shop
from services.demo.wire import DAY, HOUR, Touchpoint, simulated

GENRES = ("jazz", "classical", "rock", "folk", "soul", "opera")
REASONS = ("damaged", "wrong item", "changed my mind")


def refunds(shop: Shop) -> Iterator[Touchpoint]:
    """A few orders come back, whole or in half. They change what a customer spent net, never what was bought."""
    dice = Dice("refunds")
    for order in dice.some([order for order in shop.orders if order.total_minor > 0], 150):
        amount = order.total_minor if dice.chance(0.6) else (order.total_minor + 1) // 2
        payload = {
            "order_id": order.order_id,
            "refund_id": f"R{order.row:05d}",
            "amount_minor": amount,
            "currency": "USD",
            "reason": dice.pick(REASONS),
        }
        yield simulated("refund", f"sim-refund-{order.row:05d}", order.at + dice.between(3, 25) * DAY, SOURCE, order.who, payload)


def needs(shop: Shop) -> Iterator[Touchpoint]:
    """What people said they were looking for."""
    dice = Dice("needs")
    for order in dice.some(shop.orders, 700):
        someone, genre = person(order.customer), dice.pick(GENRES)
        who = [someone.email] if someone.registered and dice.chance(0.4) else [someone.customer_id]
        payload = {"category": genre, "text": f"Looking for {genre} from the seventies"}
        yield simulated("need", f"sim-need-{order.row:05d}", order.at + dice.between(HOUR, 30 * DAY), "crm", who, payload)


def opportunities(shop: Shop) -> Iterator[Touchpoint]:
    """Bulk orders that a colleague follows up: won, lost, or still open."""
    dice = Dice("opportunities")
    for order in dice.some(shop.orders, 250):
        known = {"opportunity_id": f"O{order.row:05d}", "amount_minor": dice.between(100, 900) * 100, "currency": "USD"}
        end = dice.pick(("won", "lost", "lost", None))
        steps = ["opened", "qualified", "proposed"][: dice.between(1, 3)] if end is None else ["opened", "qualified", "proposed", end]
        at = order.at + dice.between(1, 10) * DAY
        for step in steps:
            payload = known | {"step": step} | ({"reason": "price"} if step == "lost" else {})
            yield simulated("opportunity", f"sim-deal-{order.row:05d}-{step}", at, "crm", order.who, payload)
            at += dice.between(1, 12) * DAY


def wishes(shop: Shop) -> Iterator[Touchpoint]:
    """Wish lists: none of the types that Rapport knows, so ``custom``."""
    dice = Dice("wishes")
    for order in dice.some(shop.orders, 200):
        payload = {"name": "wishlist_added", "properties": {"genre": dice.pick(GENRES), "priority": dice.between(1, 3)}}
        yield simulated("custom", f"sim-wish-{order.row:05d}", order.at - dice.between(HOUR, 5 * DAY), "web", order.who, payload)
