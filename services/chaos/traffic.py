"""Seeded traffic of a made-up shop: everything that makes order, identity and repetition matter. Pure.

Customers buy under one identifier and are later linked to another; visitors turn out to be customers; couples share a mail
address, offices a telephone; colleagues take links back; facts come late, early, twice, out of order; some lines are no touchpoints at all.
"""

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")
DAYS = 20
BATCH = 40


class Line(NamedTuple):
    """One line of a request; ``event_id`` is None where it is no touchpoint and will be refused."""

    event_id: str | None
    raw: bytes


@dataclass(frozen=True)
class Mix:
    """How much of what. ``poison`` and ``conflicts``: shares of lines; ``again``: share of requests that are sent twice; ``newer``:
    share of refunds that are told in version 2."""

    poison: float = 0.004
    conflicts: float = 0.002
    again: float = 0.1
    late: float = 0.08
    early: float = 0.01
    newer: float = 0.5


class Request(NamedTuple):
    """Lines that are sent together, ``times`` times in all."""

    lines: tuple[Line, ...]
    times: int


Known = list[tuple[str, str]]
Dated = tuple[datetime, Line]


def requests(name: str, seed: int, events: int, today: datetime, mix: Mix | None = None) -> list[Request]:
    """About so many events in the order of arrival. Ids start with ``name``; equal arguments give equal requests."""
    return _Shop(name, seed, events, today, mix or Mix()).requests()


def in_parts(every: Sequence[T], count: int) -> list[Sequence[T]]:
    """Exactly so many, of about one size."""
    ends = [len(every) * part // count for part in range(count + 1)]
    return [every[begin:end] for begin, end in pairwise(ends)]


class _Shop:
    def __init__(self, name: str, seed: int, events: int, today: datetime, mix: Mix) -> None:
        self._rnd = random.Random(f"{name}/{seed}")
        self._name, self._events, self._mix = f"{name}-{seed}", events, mix
        self._begin = today - timedelta(days=DAYS)
        self._people = max(20, events // 9)
        self._orders: dict[int, list[tuple[str, int, datetime]]] = {}
        self._number = 0

    def requests(self) -> list[Request]:
        arriving = sorted(self._arriving(), key=lambda one: one[0])
        lines = [line for _, line in arriving]
        taken, requests = 0, []
        while taken < len(lines):
            size = self._rnd.choice((1, 5, BATCH, 2 * BATCH))
            times = 1 + (self._rnd.random() < self._mix.again) * self._rnd.choice((1, 2))
            requests.append(Request(tuple(lines[taken : taken + size]), times))
            taken += size
        return requests

    def _arriving(self) -> Iterator[Dated]:
        for _ in range(self._events):
            self._number += 1
            at = self._begin + timedelta(days=DAYS * self._number / self._events)
            yield from self._one(at)

    def _one(self, arrives: datetime) -> Iterator[Dated]:
        rnd, chance = self._rnd, self._rnd.random()
        if chance < self._mix.poison:
            yield arrives, Line(None, self._poison())
            return
        occurred = arrives
        if rnd.random() < self._mix.late:
            occurred -= timedelta(seconds=rnd.uniform(60, 7 * 86_400))
        elif rnd.random() < self._mix.early:
            occurred += timedelta(hours=rnd.uniform(1, 20))
        touchpoint = self._touchpoint(occurred)
        yield arrives, _line(touchpoint)
        if rnd.random() < self._mix.conflicts:
            other = touchpoint | {"payload": {"place": "page", "name": f"another {self._number}"}, "type": "visit", "version": 1}
            yield arrives + timedelta(seconds=rnd.uniform(1, 3600)), _line(other)

    def _touchpoint(self, occurred: datetime) -> dict[str, Any]:
        rnd = self._rnd
        person = min(int(rnd.expovariate(3.0) * self._people), self._people - 1)
        kind = rnd.choices(("purchase", "refund", "visit", "identify", "chat", "call", "link"), (40, 8, 20, 16, 8, 8, 2))[0]
        if kind == "refund" and person not in self._orders:
            kind = "purchase"
        known, payload = self._known(person, kind), self._payload(person, kind, occurred)
        return {
            "event_id": f"{self._name}-{self._number}",
            "type": kind,
            "version": 2 if "total_minor" in payload and kind == "refund" else 1,
            "occurred_at": occurred.isoformat(timespec="microseconds"),
            "source": f"till-{person % 5}",
            "identifiers": [{"type": kind, "value": value} for kind, value in known],
            "payload": payload,
        }

    def _known(self, person: int, kind: str) -> Known:
        """Visits are anonymous; purchases name one or two identifiers; to identify is to link."""
        rnd = self._rnd
        name = self._name
        visitor = ("anonymous_id", f"{name}-v{person}-{rnd.randrange(3)}")
        if kind == "visit":
            return [visitor]
        mail = (
            "email",
            f"{'Couple' if person % 17 < 2 else 'p'}{person // 17 if person % 17 < 2 else person}@{name}.example.com".replace("_", "-"),
        )
        every: Known = [("customer_id", f"{name}-{person}"), mail, ("loyalty_card", f"{name}-card-{person}")]
        every.append(("phone", f"+4930{(hash_of(name) + (person // 40 if person % 3 == 0 else 1000 + person)) % 10**8:08d}"))
        count = 2 if kind in ("identify", "link") else rnd.choice((1, 1, 1, 2))
        chosen = rnd.sample(every, count)
        return [*chosen, visitor] if kind == "identify" and rnd.random() < 0.5 else chosen

    def _payload(self, person: int, kind: str, occurred: datetime) -> dict[str, Any]:
        rnd = self._rnd
        if kind == "purchase":
            order = f"{self._name}-O{self._number}"
            total = rnd.randint(100, 30_000)
            self._orders.setdefault(person, []).append((order, total, occurred))
            return {"order_id": order, "total_minor": total, "currency": "EUR", "till": rnd.randrange(9)}
        if kind == "refund":
            order, total, _ = rnd.choice(self._orders[person])
            amount = rnd.choice((total, rnd.randint(1, total)))
            said = "total_minor" if rnd.random() < self._mix.newer else "amount_minor"
            return {"order_id": order, "refund_id": f"{order}-R{rnd.randrange(2)}", said: amount, "currency": "EUR"}
        if kind == "identify":
            return {"traits": {"city": rnd.choice(("Ulm", "Aachen", None)), f"seen_{person % 3}": self._number}}
        if kind == "link":
            return {"step": rnd.choice(("voided", "voided", "restored"))}
        if kind == "visit":
            return {"place": "page", "name": f"/article/{rnd.randrange(50)}"}
        if kind == "chat":
            return {"conversation_id": f"{self._name}-c{person}", "direction": rnd.choice(("inbound", "outbound")), "message": "Hällo 你好"}
        return {"direction": "inbound", "outcome": "answered", "duration_seconds": rnd.randrange(900)}

    def _poison(self) -> bytes:
        number = f"{self._name}-bad-{self._number}".encode()
        return self._rnd.choice(POISON) % number


POISON: Sequence[bytes] = (
    b'{"event_id":"%s","type":"purchase"',
    b'{"event_id":"%s","type":"visit","a":' + b"[" * 10_000 + b"]" * 10_000 + b"}",
    b'{"event_id":"%s","type":"purchase","occurred_at":"2026-01-02T03:04:05Z","source":"s","identifiers":[{"type":"email","value":"a@b.de"}],'
    b'"payload":{"order_id":"1","total_minor":NaN,"currency":"EUR"}}',
    b'{"event_id":"%s","type":"purchase","occurred_at":"2026-01-02T03:04:05Z","source":"s","identifiers":[{"type":"email","value":"a@b.de"}],'
    b'"payload":{"order_id":"1","total_minor":"12","currency":"EUR"}}',
    b'{"event_id":"%s","type":"purchase","occurred_at":"2026-01-02T03:04:05Z","source":"s","identifiers":[{"type":"email","value":"a@b.de"}],'
    b'"payload":{"order_id":"1","total_minor":-5,"currency":"EUR"}}',
    b'{"event_id":"%s","type":"purchase","occurred_at":"2026-01-02T03:04:05Z","source":"s","identifiers":[{"type":"email","value":"a@b.de"}],'
    b'"payload":{"order_id":"1","total_minor":99999999999999999999999,"currency":"EUR"}}',
    b'{"event_id":"%s","type":"visit","occurred_at":"9999-01-02T03:04:05Z","source":"s","identifiers":[{"type":"email","value":"a@b.de"}],'
    b'"payload":{"place":"page","name":"n"}}',
    b'{"event_id":"%s","type":"visit","occurred_at":"2026-01-02T03:04:05Z","source":"s","identifiers":[{"type":"email","value":"a\\u0000@b.de"}],'
    b'"payload":{"place":"page","name":"n"}}',
    b'{"event_id":"%s\xff\xfe","type":"visit","occurred_at":"2026-01-02T03:04:05Z"}',
    b'{"event_id":"%s","type":"telepathy","occurred_at":"2026-01-02T03:04:05Z","source":"s","identifiers":[{"type":"email","value":"a@b.de"}],"payload":{}}',
)
"""Each is refused, whatever stands for its id."""


def _line(touchpoint: dict[str, Any]) -> Line:
    return Line(touchpoint["event_id"], json.dumps(touchpoint, separators=(",", ":"), ensure_ascii=False).encode())


def hash_of(text: str) -> int:
    """The same in every process."""
    return int.from_bytes(random.Random(text).randbytes(3), "big")
