"""Touchpoints as the profile stage reads them, for tests: records with JSON values, and Hypothesis strategies of them."""

import json
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from schemas.times import from_micros, to_micros

NOON = to_micros("2026-06-01T12:00:00Z")
HOUR = 3_600_000_000


@dataclass
class Record:
    """What aiokafka's ConsumerRecord has that a stage reads."""

    value: bytes
    offset: int = 0
    partition: int = 0
    topic: str = "touchpoints"
    key: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()
    timestamp: int = (NOON + 400 * 24 * HOUR) // 1000


def touchpoint(
    event_id: str, *identifiers: str, hour: float = 0, type: str = "custom", source: str = "web", **payload: Any
) -> dict[str, Any]:
    """A touchpoint ``hour`` hours after noon. Identifiers are written ``type:value``."""
    return {
        "event_id": event_id,
        "type": type,
        "version": 1,
        "occurred_at": from_micros(NOON + round(hour * HOUR)),
        "source": source,
        "identifiers": [dict(zip(("type", "value"), one.split(":", 1), strict=True)) for one in identifiers],
        "payload": payload or {"name": "seen"},
    }


def records(*touchpoints: dict[str, Any], start: int = 0) -> list[Record]:
    """One partition's records of these touchpoints, in this order."""
    return [Record(json.dumps(one).encode(), offset) for offset, one in enumerate(touchpoints, start)]


IDENTIFIERS = [
    *(f"customer_id:{n}" for n in range(3)),
    *(f"email:u{n}@example.org" for n in range(3)),
    *(f"phone:+1202555010{n}" for n in range(2)),
    *(f"anonymous_id:a{n}" for n in range(4)),
]

payloads = st.one_of(
    st.builds(
        lambda n, c, sku: (
            "purchase",
            {"order_id": f"o{n}", "total_minor": n, "currency": c, "lines": [{"sku": sku, "category": "x", "quantity": n % 3 + 1}]},
        ),
        st.integers(0, 500),
        st.sampled_from(["EUR", "USD"]),
        st.sampled_from("abc"),
    ),
    st.builds(
        lambda n, r: ("refund", {"order_id": f"o{n}", "refund_id": f"r{r}", "amount_minor": n, "currency": "EUR"}),
        st.integers(0, 9),
        st.integers(0, 3),
    ),
    st.builds(lambda name, value: ("identify", {"traits": {name: value}}), st.sampled_from("pq"), st.one_of(st.none(), st.integers(0, 3))),
    st.builds(
        lambda c, d: ("chat", {"conversation_id": f"c{c}", "direction": d}), st.integers(0, 1), st.sampled_from(["inbound", "outbound"])
    ),
    st.builds(
        lambda c, step: ("case", {"case_id": f"k{c}", "step": step}),
        st.integers(0, 1),
        st.sampled_from(["received", "answered", "archived", "reopened"]),
    ),
    st.builds(
        lambda s, e: ("survey", {"kind": "csat", "score": s, "scale": 5, "expected": e}),
        st.integers(0, 5),
        st.one_of(st.none(), st.integers(1, 5)),
    ),
    st.builds(lambda s: ("call", {"direction": "inbound", "outcome": "answered", "sentiment": s / 10}), st.integers(-10, 10)),
    st.builds(lambda g: ("consent", {"purpose": "news", "channel": "email", "granted": g}), st.booleans()),
    st.builds(lambda t: ("need", {"category": "x", "text": t}), st.sampled_from("mn")),
    st.builds(lambda step: ("link", {"step": step}), st.sampled_from(["voided", "voided", "restored"])),
)


@st.composite
def logs(draw: st.DrawFn, largest: int = 14) -> list[dict[str, Any]]:
    """A log of touchpoints with distinct event ids, whose times and identifiers collide often."""
    count = draw(st.integers(1, largest))
    log = []
    for number in range(count):
        type, payload = draw(payloads)
        identifiers = draw(st.lists(st.sampled_from(IDENTIFIERS), min_size=1, max_size=3, unique=True))
        hour = draw(st.integers(0, 6)) * 24 * 40
        log.append(touchpoint(f"e{number}", *identifiers, hour=hour, type=type, source=draw(st.sampled_from(["shop", "web"])), **payload))
    return log
