"""What could not be taken in: kept whole, with the reason and where it came from, until a person fixes or discards it."""

import base64
import json
from typing import Any, Literal

import msgspec
from pydantic import Field

from schemas.profile_events import Moment, Published

MAX_MESSAGE_BYTES = 2 * 1024 * 1024
"""The largest message that Rapport's topics take."""

MOST_BYTES = MAX_MESSAGE_BYTES - 64 * 1024
"""Of an original in quarantine: what the topic takes, less what surrounds it."""

REASONS = {
    "conflicting_duplicate": "the event_id was used before, with other content: the first stays, this one waits here",
    "no_usable_identifier": "every identifier is blocked or cannot be normalised",
}
"""Reasons that only a stage finds; ``schemas.reading.REASONS`` has those of the bytes themselves."""


class Quarantined(Published):
    """The message of the topic ``quarantine``, keyed by ``quarantine_id``: the same bad input has the same id however often it came."""

    quarantine_id: str = Field(description="TOPIC:PARTITION:OFFSET, or ingest:DIGEST of source and bytes")
    stage: str = Field(description="which stage refused it")
    reason: str
    path: str = Field(description="the field, such as $.payload.total_minor")
    detail: str = Field(description="what is wrong, and the remedy")
    topic: str | None = None
    partition: int | None = None
    offset: int | None = None
    event_id: str | None = None
    type: str | None = None
    source: str | None = None
    occurred_at: str | None = None
    received_at: Moment
    quarantined_at: Moment
    original: str = Field(description="the bytes as they came: UTF-8 text, or base64 where they are not UTF-8")
    encoding: str = Field("utf8", description="utf8 or base64")


class QuarantineDecision(Published):
    """What a person decided about a message in quarantine, on the same topic: the header ``type`` is ``quarantine_decided``. A message
    that was redriven is in ``touchpoints`` before its decision is here. Of several decisions the latest ``decided_at`` counts."""

    decision_id: str = Field(description="of this decision: a repeat has the same")
    quarantine_id: str
    decision: Literal["redriven", "discarded"]
    decided_by: str = Field(min_length=1, max_length=200, description="who")
    decided_at: Moment
    why: str = Field("", max_length=2_000, description="in the person's words")
    fix: list[str] = Field(
        [], max_length=100, description="the rules that were applied to the original, in order, such as `remove $.payload.x`"
    )
    event_id: str | None = Field(None, description="of what was redriven")


class Glimpse(msgspec.Struct):
    """What can be told of something that is no touchpoint, each where it is a text that is not too long."""

    event_id: Any = None
    type: Any = None
    source: Any = None
    occurred_at: Any = None


_glimpse = msgspec.json.Decoder(Glimpse).decode


def glimpse(raw: bytes) -> Glimpse:
    """Whatever the bytes: never raises."""
    try:
        seen = _glimpse(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Glimpse()
    return Glimpse(_text(seen.event_id), _text(seen.type), _text(seen.source), _text(seen.occurred_at))


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and len(value) <= 200 else None


def kept(raw: bytes, detail: str) -> tuple[str, str, str]:
    """The original as text, its encoding, and the detail. Escaped in JSON a text may grow: past the limit base64 is used,
    and past that the beginning is kept, and the detail says so."""
    try:
        text = raw.decode()
        if len(raw) <= MOST_BYTES // 6 or len(json.dumps(text)) <= MOST_BYTES:
            return text, "utf8", detail
    except UnicodeDecodeError:
        pass
    most = MOST_BYTES // 4 * 3
    if len(raw) > most:
        detail += f" (only the first {most} of {len(raw)} bytes are kept here)"
    return base64.b64encode(raw[:most]).decode(), "base64", detail
