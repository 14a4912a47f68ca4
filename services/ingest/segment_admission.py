"""Admits the calls of a Segment request, each through the same door as a native touchpoint."""

import re
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from schemas.reading import Unreadable, json_mistake, read
from services.ingest.admission import Admission, Rejected, admit_one
from services.ingest.items import Unparsable, parse_object
from services.ingest.message_key import KeyOf
from services.ingest.segment import Shared, read_call, touchpoint_json
from services.ingest.segment_fields import text_of

_PATHS = (
    (re.compile(r"^\$\.event_id"), "$.messageId"),
    (re.compile(r"^\$\.(occurred_at|original_timestamp)"), "$.timestamp"),
    (re.compile(r"^\$\.identifiers.*"), "$.userId"),
    (re.compile(r"^\$\.payload\.total_minor"), "$.properties.total"),
    (re.compile(r"^\$\.payload\.lines\[(\d+)\]\.\w*price_minor"), r"$.properties.products[\1].price"),
    (re.compile(r"^\$\.payload\.lines"), "$.properties.products"),
    (re.compile(r"^\$\.payload\.(\w+)_minor"), r"$.properties.\1"),
    (re.compile(r"^\$\.payload\.(properties|traits)"), r"$.\1"),
    (re.compile(r"^\$\.payload\.name"), "$.event"),
    (re.compile(r"^\$\.payload\."), "$.properties."),
)


class Batch(msgspec.Struct):
    """The body of ``POST /v1/batch``."""

    batch: list[msgspec.Raw]
    sentAt: Any = None
    writeKey: Any = None
    context: Any = None
    integrations: Any = None

    def shared(self) -> Shared:
        """What holds for each of its calls."""
        context, integrations = ({} if not isinstance(value, dict) else value for value in (self.context, self.integrations))
        return Shared(self.sentAt, context, integrations)


class _Key(msgspec.Struct):
    writeKey: Any = None


_batch = msgspec.json.Decoder(Batch).decode
_key = msgspec.json.Decoder(_Key).decode


def read_batch(body: bytes) -> Batch:
    """Raises Unparsable for what is no batch."""
    try:
        return _batch(body)
    except msgspec.ValidationError as error:
        raise Unparsable(f'{error}: expected {{"batch": [calls], "sentAt": time}}') from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unparsable(json_mistake(error, body)) from error


def read_single(body: bytes) -> str | None:
    """Checks that the body of ``POST /v1/track`` and the like is JSON, and gives its ``writeKey``. Raises Unparsable."""
    parse_object(body)
    try:
        return text_of(_key(body).writeKey)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def admit_calls(
    calls: Iterable[bytes], kind: str | None, shared: Shared, source: str, arrived_at: str, key_of: KeyOf, new_id: Callable[[], str]
) -> Admission:
    """``kind``: what every call is (``track``); None: what each says itself, in a batch."""
    admission, seen = Admission(), dict[str, Any]()
    for index, raw in enumerate(calls):
        call: dict[str, Any] = {}
        try:
            call = read_call(raw)
            json = touchpoint_json(call, kind or str(call.get("type")), shared, source, arrived_at, new_id)
            touchpoint, _ = read(json, arrived_at)
            admit_one(admission, seen, index, touchpoint, key_of)
        except Unreadable as error:
            admission.rejected.append(_rejection(index, error, raw, call, kind))
    return admission


def _rejection(index: int, error: Unreadable, raw: bytes, call: dict[str, Any], kind: str | None) -> Rejected:
    said = (text_of(value) for value in (call.get("messageId"), kind or call.get("type"), call.get("timestamp")))
    message_id, call_type, timestamp = (text if text is None or len(text) <= 200 else None for text in said)
    return Rejected(index, error.reason, _path_in_call(error.path), error.detail, raw, message_id, call_type, timestamp)


def _path_in_call(path: str) -> str:
    for pattern, replacement in _PATHS:
        if pattern.match(path):
            return pattern.sub(replacement, path)
    return path
