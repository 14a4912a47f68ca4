"""Touchpoints of a made-up shop, for measuring: every customer once, then by a Zipf weight (0.8).

Of each hundred, one is a repeat, one is late by days, one comes from a new visitor, and one links a visitor to a customer.
"""

import json
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from uuid import UUID

START, DAYS = datetime(2026, 10, 1, tzinfo=UTC), 20
Known = list[tuple[str, str]]
Identify = Callable[[random.Random, int, list[int], list[float], list[str]], Known]


def simple_touchpoints(customers: int, events: int) -> Iterator[tuple[bytes, bytes]]:
    """Each customer is known by its ``customer_id`` alone, the Kafka key: nobody new, nobody to link."""
    return touchpoints(customers, events, identify=_by_customer_id)


def touchpoints(
    customers: int, events: int, seed: int = 7, start: datetime = START, identify: Identify | None = None
) -> Iterator[tuple[bytes, bytes]]:
    """(Kafka key, JSON) of each; the same for the same arguments."""
    identify = identify or _identifiers
    rnd = random.Random(seed)
    order = rnd.sample(range(customers), customers)
    weights = list(accumulate((rank + 1) ** -0.8 for rank in range(customers)))
    recent: list[tuple[bytes, bytes]] = []
    visitors: list[str] = []
    for number in range(events):
        if len(recent) > 100 and rnd.random() < 0.01:
            yield rnd.choice(recent)
            continue
        late = rnd.uniform(1, 12) if rnd.random() < 0.01 else 0.0
        at = start + timedelta(days=DAYS * number / events - late)
        identifiers = identify(rnd, number, order, weights, visitors)
        record = identifiers[0][1].encode(), _touchpoint(rnd, number, at, identifiers)
        if len(recent) < 20_000:
            recent.append(record)
        else:
            recent[rnd.randrange(20_000)] = record
        yield record


def _by_customer_id(rnd: random.Random, number: int, order: list[int], weights: list[float], _: list[str]) -> Known:
    return [("customer_id", f"C{_whose(rnd, number, order, weights):08d}")]


def _identifiers(rnd: random.Random, number: int, order: list[int], weights: list[float], visitors: list[str]) -> Known:
    chance = rnd.random()
    if chance < 0.01:
        visitors.append(f"v{number:08x}-{rnd.getrandbits(32):08x}")
        return [("anonymous_id", visitors[-1])]
    if chance < 0.02 and len(visitors) > 50:
        return [*_known_as(rnd, rnd.choice(order), 1), ("anonymous_id", visitors.pop(rnd.randrange(40)))]
    return _known_as(rnd, _whose(rnd, number, order, weights), rnd.choice((1, 1, 2, 2, 3)))


def _whose(rnd: random.Random, number: int, order: list[int], weights: list[float]) -> int:
    return order[number] if number < len(order) else rnd.choices(order, cum_weights=weights)[0]


def _known_as(rnd: random.Random, customer: int, count: int) -> Known:
    every = (
        ("customer_id", f"C{customer:08d}"),
        ("email", f"User.{customer:07d}@Example.COM"),
        ("phone", f"+44 7{customer // 10**6:02d} {customer // 1000 % 1000:03d} {customer % 1000:03d}0"),
        ("handle", f"mastodon/@user_{customer:07d}"),
        ("anonymous_id", f"{customer * 2654435761 % 2**32:08x}-{customer:08x}"),
    )
    return [every[(customer + place) % 5] for place in (0, *rnd.sample(range(1, 5), count - 1))]


def _touchpoint(rnd: random.Random, number: int, at: datetime, identifiers: Known) -> bytes:
    kind = rnd.choice(("purchase", "email", "call", "chat", "social"))
    return json.dumps(
        {
            "event_id": str(UUID(int=rnd.getrandbits(128))),
            "type": kind,
            "version": 1,
            "occurred_at": at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "received_at": at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "source": f"pos-{number % 20}",
            "identifiers": [{"type": kind, "value": value} for kind, value in identifiers],
            "payload": _payload(kind, rnd, number),
            "context": {},
        },
        separators=(",", ":"),
    ).encode()


def _payload(kind: str, rnd: random.Random, number: int) -> dict[str, object]:
    amount = rnd.randint(1, 39_900)
    if kind == "purchase":
        line = {"sku": f"SKU-{amount % 5000}", "category": f"c{amount % 40}", "quantity": 1 + amount % 4, "unit_price_minor": amount}
        currency = rnd.choice(("EUR", "GBP", "USD", "CNY"))
        return {"order_id": f"O{number:09d}", "lines": [line], "total_minor": amount, "currency": currency, "store": f"S{amount % 90}"}
    if kind == "email":
        campaign = f"autumn-{amount % 30}"
        return {
            "direction": "outbound",
            "kind": "campaign",
            "campaign_id": campaign,
            "subject": "Your autumn offers are here",
            "action": "opened",
        }
    if kind == "call":
        seconds = {"wait_seconds": amount % 400, "duration_seconds": amount % 2000}
        return {
            "direction": "inbound",
            "agent": f"agent-{amount % 80}",
            "queue": "support",
            **seconds,
            "outcome": "answered",
            "topic": "delivery",
        }
    if kind == "chat":
        return {
            "conversation_id": f"CV{number // 7}",
            "direction": "inbound",
            "agent": "bot",
            "message": "Where is my order? It is late again.",
        }
    return {"network": "mastodon", "kind": "mention", "text": "Loving the new shoes from @shop", "reach": amount, "sentiment": 0.42}
