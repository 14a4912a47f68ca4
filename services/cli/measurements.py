"""What a service says of itself on /metrics: lag by partition, and what it has taken in. The parsing is pure."""

import re
from dataclasses import dataclass, field

from services.runtime.http_requests import get

_SAMPLE = re.compile(r"^(?P<name>[a-z_]+)(?:\{(?P<labels>.*)\})? (?P<value>[^ ]+)$")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
TAKEN = ("rapport_messages_total", "rapport_ingest_items_total")
LAG = "rapport_lag_messages"
UNPUBLISHED = "rapport_unpublished_events"


@dataclass(frozen=True, slots=True)
class Measured:
    """``taken``: messages by outcome since the process began. ``lag``: messages not applied yet, by (topic, partition).
    ``unpublished``: events stored and not on their topic yet."""

    taken: dict[str, int] = field(default_factory=dict)
    lag: dict[tuple[str, int], int] = field(default_factory=dict)
    unpublished: int = 0

    @property
    def waiting(self) -> int:
        """Messages not applied yet, and events not published yet."""
        return sum(self.lag.values()) + self.unpublished

    @property
    def taken_in_all(self) -> int:
        return sum(self.taken.values())


def measure(url: str) -> Measured | None:
    """None where nothing answers."""
    try:
        reply = get(url, 2.0)
    except OSError:
        return None
    return parsed(reply.body.decode("utf-8", "replace")) if reply.status == 200 else None


def parsed(text: str) -> Measured:
    """Of Prometheus' text format what this is about."""
    taken: dict[str, int] = {}
    lag: dict[tuple[str, int], int] = {}
    unpublished = 0
    for line in text.splitlines():
        match = _SAMPLE.match(line)
        if match is None:
            continue
        labels = dict(_LABEL.findall(match["labels"] or ""))
        if match["name"] in TAKEN:
            outcome = labels.get("outcome", "")
            taken[outcome] = taken.get(outcome, 0) + int(float(match["value"]))
        elif match["name"] == LAG:
            lag[labels["topic"], int(labels["partition"])] = int(float(match["value"]))
        elif match["name"] == UNPUBLISHED:
            unpublished += int(float(match["value"]))
    return Measured(taken, lag, unpublished)
