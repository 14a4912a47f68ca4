"""Decides for each item of a request: accepted as a touchpoint, a duplicate within the request, or rejected with a reason.

Pure: bytes in, decisions out. Never raises for what a channel sent.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec

from schemas.quarantine import REASONS, glimpse
from schemas.reading import Unreadable, content_digest, encode, read
from services.ingest.items import WHITESPACE
from services.ingest.message_key import KeyOf

EVENT_ID_REMEDY = "; give the channel's own id of the event, unique for ever: a repeat is recognised by it, so nothing counts twice"


class Admitted(NamedTuple):
    """A touchpoint for Kafka: its key and JSON."""

    key: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class Duplicate:
    """The same event with the same content stood earlier in the request: answered as a success, not sent twice."""

    index: int
    event_id: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """Not a touchpoint: ``reason`` (schemas.reading.REASONS), the field's ``path``, what is wrong, and the bytes as they came."""

    index: int
    reason: str
    path: str
    detail: str
    raw: bytes
    event_id: str | None = None
    type: str | None = None
    occurred_at: str | None = None


@dataclass(slots=True)
class Admission:
    """What became of the items: together as many as came."""

    admitted: list[Admitted] = field(default_factory=list)
    duplicates: list[Duplicate] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)


_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def admit(items: Iterable[bytes], source: str, arrived_at: str, key_of: KeyOf) -> Admission:
    """``source`` stands for an item's missing one; ``arrived_at`` (canonical) becomes every item's ``received_at``."""
    admission, seen = Admission(), dict[str, Any]()
    for index, raw in enumerate(items):
        try:
            touchpoint = touchpoint_of(raw, source, arrived_at)
            admit_one(admission, seen, index, touchpoint, key_of)
        except Unreadable as error:
            admission.rejected.append(rejection(index, error, raw))
    return admission


def admit_one(admission: Admission, seen: dict[str, Any], index: int, touchpoint: Any, key_of: KeyOf) -> None:
    """Files a touchpoint that was read. ``seen`` holds the request's earlier ones by event_id. Raises Unreadable for
    an event_id that stood for other content."""
    event_id = touchpoint.event_id
    earlier = seen.setdefault(event_id, touchpoint)
    if earlier is touchpoint:
        admission.admitted.append(Admitted(key_of(touchpoint.identifiers), encode(touchpoint)))
    elif content_digest(earlier) == content_digest(touchpoint):
        admission.duplicates.append(Duplicate(index, event_id))
    else:
        raise Unreadable("conflicting_duplicate", REASONS["conflicting_duplicate"], "$.event_id")


def touchpoint_of(raw: bytes, source: str, arrived_at: str) -> Any:
    """The touchpoint as it goes to Kafka. Raises Unreadable."""
    touchpoint = _with_source(_without_arrival(raw) if b'"received_at"' in raw else raw, source, arrived_at)
    if touchpoint.received_at != arrived_at:  # its name was spelled with escapes
        raise Unreadable("invalid", "ingest says when it arrived: leave received_at out", "$.received_at")
    return touchpoint


def _with_source(raw: bytes, source: str, arrived_at: str) -> Any:
    if b'"source"' not in raw:
        return read(_with_field(raw, "source", source), arrived_at)[0]
    try:
        return read(raw, arrived_at)[0]
    except Unreadable as error:
        if error.path != "$" or "missing required field `source`" not in error.detail:
            raise
        return read(_with_field(raw, "source", source), arrived_at)[0]


def _without_arrival(raw: bytes) -> bytes:
    """The time of arrival is ours to say: a channel's would pass any date through."""
    try:
        fields = _fields(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return raw
    return raw if fields.pop("received_at", None) is None else msgspec.json.encode(fields)


def _with_field(raw: bytes, name: str, value: str) -> bytes:
    """The object with one more field at its end, so that positions in error messages stay true."""
    if raw[:1] != b"{" or raw[-1:] != b"}":
        return raw
    comma = b"" if raw[1:-1].strip(WHITESPACE) == b"" else b","
    return b'%b%b"%b":%b}' % (raw[:-1], comma, name.encode(), msgspec.json.encode(value))


def rejection(index: int, error: Unreadable, raw: bytes) -> Rejected:
    """The refusal of an item, with what can be told of it."""
    seen = glimpse(raw)
    remedy = EVENT_ID_REMEDY if error.path == "$" and "field `event_id`" in error.detail else ""
    return Rejected(index, error.reason, error.path, error.detail + remedy, raw, seen.event_id, seen.type, seen.occurred_at)
