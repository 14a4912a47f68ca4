"""How the demo writes a touchpoint down, and the moments in it."""

from datetime import UTC, date, datetime
from typing import Any

MINUTE, HOUR, DAY = 60, 3600, 86400
Touchpoint = dict[str, Any]
Named = tuple[str, str]
"""An identifier's type and value."""


def noon(day: date) -> int:
    """Seconds since 1970 of a day's noon, UTC."""
    return int(datetime(day.year, day.month, day.day, 12, tzinfo=UTC).timestamp())


def moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def touchpoint(kind: str, event_id: str, at: int, source: str, who: list[Named], payload: dict[str, Any]) -> Touchpoint:
    """A touchpoint of the real data."""
    return {
        "event_id": event_id,
        "type": kind,
        "version": 1,
        "occurred_at": moment(at),
        "source": source,
        "identifiers": [{"type": name, "value": value} for name, value in who],
        "payload": payload,
    }


def simulated(kind: str, event_id: str, at: int, source: str, who: list[Named], payload: dict[str, Any]) -> Touchpoint:
    """A touchpoint that never happened, and says so."""
    return touchpoint(kind, event_id, at, source, who, payload) | {"context": {"simulated": True}}
