"""Segment's HTTP API into touchpoints: track, page, screen, identify, group and alias.

Source: Segment's public "HTTP Tracking API" and "Spec" pages. A call becomes the JSON of a touchpoint, which then goes
through the same door as any other, so that nothing reaches Kafka unchecked.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from schemas.reading import Unreadable, json_mistake
from services.ingest import segment_orders
from services.ingest.segment_fields import Fields, corrected_time, identifiers, invalid, object_at, text_of

KINDS = ("identify", "track", "page", "screen", "group", "alias")
_MAPPED = """
    type messageId timestamp sentAt originalTimestamp receivedAt userId anonymousId previousId groupId event name category
    properties traits context integrations writeKey version _metadata
"""
MADE_IN = {"refund": 2}
"""The versions of the payloads that are made here, where they are not 1."""
_KNOWN = frozenset(_MAPPED.split())
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class Shared(NamedTuple):
    """What a batch says for all of its calls."""

    sent_at: Any = None
    context: Fields = {}
    integrations: Fields = {}


def read_call(raw: bytes) -> Fields:
    """One call's JSON. Raises Unreadable."""
    try:
        call = _decode(raw)
    except UnicodeDecodeError as error:
        raise Unreadable("not_utf8", str(error)) from error
    except msgspec.DecodeError as error:
        raise Unreadable("not_json", json_mistake(error, raw)) from error
    except RecursionError as error:
        raise Unreadable("too_deep", "the JSON is nested too deep") from error
    if not isinstance(call, dict):
        raise invalid("$", "expected an object: one call")
    return call


def touchpoint_json(call: Fields, kind: str, shared: Shared, source: str, arrived_at: str, new_id: Callable[[], str]) -> bytes:
    """The JSON of the call's touchpoint. Raises Unreadable with the path of the call's field.

    ``new_id`` gives the id of a call that has no ``messageId``: such a call is not recognised when it is sent again.
    """
    context = {**shared.context, **object_at(call, "context")}
    message_id = text_of(call.get("messageId")) or new_id()
    occurred_at, said = corrected_time(call.get("timestamp"), shared.sent_at or call.get("sentAt"), arrived_at)
    known_by = _known_by(call, kind, context)
    touchpoint_type, payload = _payload(call, kind, context, message_id)
    return _encode(
        {
            "event_id": message_id,
            "type": touchpoint_type,
            "version": MADE_IN.get(touchpoint_type, 1),
            "occurred_at": occurred_at,
            "received_at": arrived_at,
            "original_timestamp": said,
            "source": source,
            "identifiers": known_by,
            "payload": payload,
            "context": _context(call, kind, context, shared),
        }
    )


def _known_by(call: Fields, kind: str, context: Fields) -> list[Fields]:
    known_by = identifiers(call, context)
    if kind == "alias":
        previous = text_of(call.get("previousId"))
        if not previous or not text_of(call.get("userId")):
            raise invalid("$.previousId", "alias joins two ids: give previousId and userId")
        known_by.append({"type": "anonymous_id", "value": previous})
    if not known_by:
        raise invalid("$.userId", "give userId or anonymousId: nobody can be known without one")
    return known_by


def _payload(call: Fields, kind: str, context: Fields, message_id: str) -> tuple[str, Fields]:
    """The touchpoint's type and payload."""
    if kind == "track":
        return _tracked(call, object_at(call, "properties"), message_id)
    if kind in ("page", "screen"):
        return "visit", _visit(call, kind, context)
    if kind == "identify":
        return "identify", {"traits": object_at(call, "traits")}
    if kind == "alias":
        return "identify", {"traits": {}, "previous_id": text_of(call.get("previousId"))}
    if kind == "group":
        group = {"group_id": text_of(call.get("groupId")), "traits": object_at(call, "traits")}
        return "custom", {"name": "group", "properties": group}
    raise Unreadable("unknown_type", f"{str(kind)[:40]!r} is none of {', '.join(KINDS)}", "$.type")


def _tracked(call: Fields, properties: Fields, message_id: str) -> tuple[str, Fields]:
    event = text_of(call.get("event"))
    if event is None:
        raise invalid("$.event", "a track call needs the name of its event")
    if event == "Order Completed":
        return "purchase", segment_orders.purchase(properties)
    if event == "Order Refunded":
        return "refund", segment_orders.refund(properties, message_id)
    return "custom", {"name": event, "properties": properties}


def _visit(call: Fields, kind: str, context: Fields) -> Fields:
    properties = object_at(call, "properties")
    page = context.get("page")
    places = [call, properties, *([page] if isinstance(page, dict) else [])]
    campaign = context.get("campaign")
    return {
        "place": kind,
        "name": _first(places, "name", "title", "path", "url") or "",
        "category": text_of(call.get("category")),
        "referrer": _first(places, "referrer"),
        "campaign": text_of(campaign.get("name")) if isinstance(campaign, dict) else None,
        "properties": properties,
    }


def _first(places: list[Fields], *names: str) -> str | None:
    return next((found for name in names for place in places if (found := text_of(place.get(name)))), None)


def _context(call: Fields, kind: str, context: Fields, shared: Shared) -> Fields:
    """The call's context, with what else it carried under ``segment``, so that nothing is lost."""
    integrations = {**shared.integrations, **object_at(call, "integrations")}
    rest = {name: value for name, value in call.items() if name not in _KNOWN}
    return {**context, "segment": {"call": kind, **({"integrations": integrations} if integrations else {}), **rest}}
