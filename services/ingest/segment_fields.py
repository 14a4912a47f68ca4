"""What fields of a Segment call hold, read as forgivingly as Segment does: nulls and numbers stand where texts should."""

import re
from datetime import UTC, datetime
from typing import Any

from schemas import times
from schemas.reading import Unreadable

Fields = dict[str, Any]

_EXTERNAL_TYPES = {"user_id": "customer_id", "userid": "customer_id", "ios_id": "device", "android_id": "device"}
_not_in_a_type = re.compile(r"[^a-z0-9]+")


def invalid(path: str, detail: str) -> Unreadable:
    """The refusal of a field."""
    return Unreadable("invalid", detail, path)


def text_of(value: Any) -> str | None:
    """A text that says something, or a number as text; None for null, blank and everything else."""
    if isinstance(value, str):
        return value if value.strip() else None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    return None


def object_at(fields: Fields, name: str, path: str = "$") -> Fields:
    """The object of that name; empty for null or missing. Raises Unreadable for anything else."""
    value = fields.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise invalid(f"{path}.{name}", "expected an object")
    return value


def identifiers(call: Fields, context: Fields) -> list[Fields]:
    """How the call knows its customer: the identifiers that Segment itself promotes, and ``context.externalIds``."""
    found = [("customer_id", text_of(call.get("userId")))]
    for traits in (call.get("traits"), context.get("traits"), call.get("properties")):
        if isinstance(traits, dict):
            found += [("email", text_of(traits.get("email"))), ("phone", text_of(traits.get("phone")))]
    found += _external_ids(context.get("externalIds"))
    device = context.get("device")
    found += [("device", text_of(device.get("id")))] if isinstance(device, dict) else []
    found += [("anonymous_id", text_of(call.get("anonymousId")))]
    return [{"type": kind, "value": value} for kind, value in dict.fromkeys(found) if value]


def _external_ids(entries: Any) -> list[tuple[str, str | None]]:
    if not isinstance(entries, list):
        return []
    users = [e for e in entries if isinstance(e, dict) and e.get("collection") in (None, "", "users", "user")]
    return [(_external_type(entry), text_of(entry.get("id"))) for entry in users]


def _external_type(entry: Fields) -> str:
    """``android.idfa`` becomes ``android_idfa``; a hashed value is of a type of its own, so that it never meets a plain one."""
    encoding = text_of(entry.get("encoding")) or "none"
    words = f"{text_of(entry.get('type')) or 'external'} {'' if encoding == 'none' else encoding}"
    kind = _not_in_a_type.sub("_", words.lower()).strip("_")
    kind = _EXTERNAL_TYPES.get(kind, kind)[:40]
    return kind if kind[:1].isalpha() else f"id_{kind}"[:40]


def corrected_time(timestamp: Any, sent_at: Any, arrived_at: str) -> tuple[str, str | None]:
    """When it happened by our clock, and what the channel's own clock said: ``arrived_at - (sentAt - timestamp)``.

    Without ``sentAt`` (or an unreadable one) the timestamp stands; without a timestamp it happened on arrival.
    """
    if timestamp is None or timestamp == "":
        return arrived_at, None
    said = _moment(timestamp, "$.timestamp")
    try:
        sent = _moment(sent_at, "$.sentAt") if sent_at else None
    except Unreadable:
        sent = None
    try:
        happened = times.parsed(arrived_at) - (sent - said) if sent else said
        return times.written(happened), times.written(said)
    except OverflowError as error:
        raise Unreadable("time_out_of_range", "the corrected time lies outside the calendar", "$.timestamp") from error


def _moment(text: Any, path: str) -> datetime:
    """ISO 8601; a time without a zone is UTC."""
    if not isinstance(text, str):
        raise invalid(path, "expected an ISO 8601 time, such as 2026-01-31T12:00:00.000Z")
    try:
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    except ValueError as error:
        raise invalid(path, f"{text[:60]!r} is no ISO 8601 time, such as 2026-01-31T12:00:00.000Z") from error
