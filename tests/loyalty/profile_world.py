"""A profile stage that is told what to do: its messages, by partition, and what it knows to be true in the end."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import NAMESPACE_OID, uuid5

TOPIC = "profile-events"
REDEMPTIONS = 99
"""Stands for the partitions of the other topic."""
START = datetime(2025, 1, 1, tzinfo=UTC)


def identifier(name: str) -> str:
    """The id derived from an identifier; any of them can be a customer's."""
    return str(uuid5(NAMESPACE_OID, name))


def moment(day: float) -> datetime:
    return START + timedelta(days=day)


def written(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def millis(at: datetime) -> int:
    return round(at.timestamp() * 1000)


@dataclass
class Record:
    value: bytes
    headers: list[tuple[str, bytes]]
    partition: int
    offset: int = 0
    topic: str = TOPIC
    key: bytes | None = None
    timestamp: int = 0


@dataclass
class World:
    """``log``: partition → records in order. ``holders``: identifier → customer, now. ``gone``: merged customer →
    survivor. ``facts``: anchor → facts as dictionaries."""

    partitions: int = 4
    log: dict[int, list[Record]] = field(default_factory=dict)
    holders: dict[str, str] = field(default_factory=dict)
    facts: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    gone: dict[str, str] = field(default_factory=dict)
    ids: int = 0

    def touch(self, name: str, fact: dict[str, Any]) -> Record:
        """A touchpoint, anchored at the identifier of that name."""
        anchor = identifier(name)
        joined = [] if anchor in self.holders else [{"type": "email", "value": name, "id": anchor}]
        customer = self.holders.setdefault(anchor, anchor)
        self.facts.setdefault(anchor, []).append(fact)
        return self.say(customer, "touchpoint_applied", fact["event_id"], anchor=anchor, joined=joined, touchpoint=touchpoint(fact))

    def redeem(self, name: str, fact: dict[str, Any]) -> Record:
        """Whoever holds the identifier spent points, which the loyalty stage accepted before: a record of its own topic."""
        anchor = identifier(name)
        customer = self.holders.setdefault(anchor, anchor)
        self.facts.setdefault(anchor, []).append(fact)
        said = {
            "account_id": customer,
            "sequence": 1,
            "recorded_at": written(START),
            "cause": fact["event_id"],
            "event": "redemption_accepted",
            "redemption_id": fact["event_id"].removeprefix("redemption:"),
            "customer_id": customer,
            "anchor": anchor,
            "points": fact["points"],
            "occurred_at": written(fact["at"]),
            "source": "till",
            "why": "",
            "balance": 0,
        }
        log = self.log.setdefault(REDEMPTIONS, [])
        log.append(Record(json.dumps(said).encode(), [("id", b"1")], REDEMPTIONS, len(log), "loyalty-events"))
        return log[-1]

    def merge(self, survivor: str, merged: str) -> None:
        """Two customers, named by identifiers that they hold, turn out to be one."""
        into, gone = self.customer(survivor), self.customer(merged)
        if into == gone:
            return
        came = [id for id, customer in self.holders.items() if customer == gone]
        self.holders.update(dict.fromkeys(came, into))
        self.gone.pop(into, None)
        self.gone[gone] = into
        self.say(into, "customers_merged", "cause", merged=gone, identifiers=[held(id) for id in came])
        self.say(gone, "customer_merged_into", "cause", survivor=into)

    def move(self, name: str, to: str) -> None:
        """An identifier turns out to be another customer's: one that has it as id, or that holds it."""
        id, holder = identifier(name), self.customer(to)
        former = self.holders.get(id)
        if former is None or former == holder:
            return
        self.hand_over(id, former, holder)

    def hand_over(self, id: str, former: str, holder: str) -> None:
        self.holders[id] = holder
        self.gone.pop(holder, None)
        self.say(former, "identifiers_left", "cause", holder=holder, identifiers=[held(id)])
        self.say(holder, "identifiers_joined", "cause", former=former, identifiers=[held(id)])

    def leave(self, name: str) -> None:
        """An identifier turns out to be a customer of its own."""
        id = identifier(name)
        former = self.holders.get(id)
        if former is not None and former != id:
            self.hand_over(id, former, id)

    def customer(self, name: str) -> str:
        id = identifier(name)
        return self.holders.setdefault(id, id)

    def say(self, customer: str, event: str, cause: str, **body: Any) -> Record:
        self.ids += 1
        head = {"customer_id": customer, "sequence": 1, "recorded_at": written(START), "cause": cause, "event": event}
        partition = int(customer[:4], 16) % self.partitions
        log = self.log.setdefault(partition, [])
        value = json.dumps({**head, **body}).encode()
        log.append(Record(value, [("id", b"%d" % self.ids), ("type", event.encode())], partition, len(log)))
        return log[-1]

    def everything(self) -> list[Record]:
        """All records in the order in which they were said."""
        return sorted((record for log in self.log.values() for record in log), key=lambda record: int(record.headers[0][1]))

    def facts_of(self, customer: str) -> list[dict[str, Any]]:
        return [fact for anchor, facts in self.facts.items() if self.holders[anchor] == customer for fact in facts]


def held(id: str) -> dict[str, str]:
    return {"type": "email", "value": id, "id": id}


def touchpoint(fact: dict[str, Any]) -> dict[str, Any]:
    return {
        "event_id": fact["event_id"],
        "type": fact["type"],
        "version": 1,
        "occurred_at": written(fact["at"]),
        "received_at": written(fact["at"]),
        "original_timestamp": None,
        "source": fact.get("source", "shop"),
        "identifiers": [],
        "payload": _payload(fact),
        "context": {},
    }


def _payload(fact: dict[str, Any]) -> dict[str, Any]:
    if fact["type"] == "purchase":
        lines = [
            {"sku": o["sku"], "category": o["category"], "quantity": o["quantity"], "unit_price_minor": o["price"]} for o in fact["lines"]
        ]
        money = {"total_minor": fact["total"], "tax_minor": fact["tax"], "shipping_minor": fact["shipping"], "currency": fact["currency"]}
        return {"order_id": fact["order_id"], "lines": lines, **money, "unknown": 1}
    if fact["type"] == "refund":
        lines = [{"sku": line["sku"], "amount_minor": line["amount"]} for line in fact["lines"]]
        which = {"order_id": fact["order_id"], "refund_id": fact["refund_id"], "currency": fact["currency"]}
        return {**which, "lines": lines, "amount_minor": fact["amount"]}
    if fact["type"] == "survey":
        return {"kind": "csat", "score": 4, "scale": 5}
    if fact["type"] == "identify":
        day = fact["birthday"]
        return {"traits": {"birthday": day and f"1980-{day}", "name": "A"}}
    return {"text": "of no concern"}


def purchase(event_id: str, day: float, total: int, order_id: str | None = None, **more: Any) -> dict[str, Any]:
    common = {"tax": 0, "shipping": 0, "currency": "EUR", "source": "shop", "lines": [], **more}
    return {"type": "purchase", "event_id": event_id, "at": moment(day), "order_id": order_id or event_id, "total": total, **common}


def line(sku: str, price: int | None, quantity: int = 1, category: str | None = None) -> dict[str, Any]:
    return {"sku": sku, "price": price, "quantity": quantity, "category": category}


def refund(event_id: str, day: float, order_id: str, amount: int, **more: Any) -> dict[str, Any]:
    common = {"refund_id": event_id, "currency": "EUR", "lines": [], **more}
    return {"type": "refund", "event_id": event_id, "at": moment(day), "order_id": order_id, "amount": amount, **common}


def survey(event_id: str, day: float) -> dict[str, Any]:
    return {"type": "survey", "event_id": event_id, "at": moment(day)}


def identify(event_id: str, day: float, birthday: str | None) -> dict[str, Any]:
    return {"type": "identify", "event_id": event_id, "at": moment(day), "birthday": birthday}


def redemption(event_id: str, day: float, points: int) -> dict[str, Any]:
    return {"type": "redemption", "event_id": f"redemption:{event_id}", "at": moment(day), "points": points}


def adjustment(event_id: str, day: float, points: int) -> dict[str, Any]:
    return {"type": "adjustment", "event_id": event_id, "at": moment(day), "points": points}
