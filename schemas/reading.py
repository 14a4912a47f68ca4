"""Reads one touchpoint from bytes and checks it: the only door, for ingest and for the profile stage alike.

Nothing is coerced: what a channel sent is either understood whole or refused with a reason, the field's path and a remedy.
"""

import re
from collections.abc import Callable
from typing import Any

import msgspec
import xxhash

from schemas import times
from schemas.compiled import struct_of
from schemas.touchpoints import NEWEST, PAYLOADS, TYPES, Envelope, Identifier
from schemas.upcasting import WAYS, newest, unknown

MAX_BYTES = 256 * 1024
MAX_DEPTH = 32
MAX_CLOCK_SKEW_MICROS = 24 * 3600 * 1_000_000
"""How far in the future of its arrival a touchpoint may lie: a channel's clock may be a day ahead, not a year."""

OPENING_BRACE = ord("{")
_EMPTY = msgspec.Raw(b"{}")
_Identifier = struct_of(Identifier)
_strings = re.compile(rb'"(?:[^"\\]|\\.)*"')
_nul = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


class Unreadable(Exception):
    """Raised by ``read``: this is not a touchpoint. The caller answers or quarantines it with the same words.

    ``reason`` is one of REASONS, ``path`` the field (``$.payload.lines[0].quantity``), ``detail`` says what and the remedy.
    """

    def __init__(self, reason: str, detail: str, path: str = "$") -> None:
        super().__init__(f"{reason} at {path}: {detail}")
        self.reason, self.detail, self.path = reason, detail, path


REASONS = {
    "too_large": f"the touchpoint is larger than {MAX_BYTES} bytes",
    "too_deep": f"the JSON is nested more than {MAX_DEPTH} levels deep",
    "not_utf8": "the bytes are not UTF-8",
    "not_json": "the bytes are not JSON (NaN and Infinity are not JSON)",
    "nul_character": "a text holds the character NUL",
    "invalid": "a field is missing, of the wrong type, or outside its limits",
    "unknown_type": "the type is none that Rapport knows; send it as type custom",
    "unknown_version": "this version of the type is not known yet: upgrade, then `rapport quarantine redrive --reason unknown_version`",
    "time_out_of_range": "occurred_at or received_at lies before 1970, or more than a day after its arrival",
}


Touchpoint = struct_of(
    Envelope,
    (
        ("occurred_at", str),
        ("received_at", str | None),
        ("original_timestamp", str | None),
        ("payload", msgspec.Raw),
        ("context", msgspec.Raw),
    ),
)
"""A touchpoint as it travels: times in canonical spelling, ``payload`` and ``context`` as the bytes that came."""


class CountedTouchpoint(msgspec.Struct, gc=False):
    """Of the touchpoint in a ``touchpoint_applied``, what whoever folds it needs: cheaper to decode than the whole."""

    event_id: str
    type: str
    version: int
    occurred_at: str
    source: str
    payload: msgspec.Raw


_decode: Callable[[bytes], Any] = msgspec.json.Decoder(Touchpoint).decode
_encode = msgspec.json.Encoder().encode


def payload_decoder(kind: str, version: int) -> Callable[[bytes], Any]:
    """What reads a payload of that version as its type's newest. Raises msgspec's errors."""
    decode: Callable[[bytes], Any] = msgspec.json.Decoder(struct_of(PAYLOADS[kind, NEWEST[kind]])).decode
    return (lambda payload: decode(newest(kind, version, payload))) if WAYS[kind, version] else decode


_payload_decoders = {key: payload_decoder(*key) for key in WAYS}


def read(raw: bytes, arrived_at: str) -> tuple[Any, Any]:
    """The touchpoint as it was sent, and its payload as a struct of its type's newest model. Raises ``Unreadable``.

    ``arrived_at`` (canonical) stands for a missing ``received_at``: give Kafka's own timestamp where a channel wrote to
    the topic itself, so that reading the log again finds the same.
    """
    _check_bytes(raw)
    path = "$"
    try:
        touchpoint = _decode(raw)
        decode = _payload_decoders.get((touchpoint.type, touchpoint.version))
        if decode is None:
            raise _unknown(touchpoint.type, touchpoint.version)
        path = "$.payload"
        payload = decode(touchpoint.payload)
    except (msgspec.DecodeError, RecursionError) as error:
        raise _refused(error, path, raw) from error
    touchpoint.occurred_at = _time(touchpoint.occurred_at, "$.occurred_at")
    touchpoint.received_at = _time(touchpoint.received_at or arrived_at, "$.received_at")
    if touchpoint.original_timestamp is not None:
        touchpoint.original_timestamp = _time(touchpoint.original_timestamp, "$.original_timestamp")
    _check_time(touchpoint.received_at, arrived_at, "$.received_at")
    _check_time(touchpoint.occurred_at, touchpoint.received_at, "$.occurred_at")
    if touchpoint.context and memoryview(touchpoint.context)[0] != OPENING_BRACE:
        raise Unreadable("invalid", "Expected `object`", "$.context")
    return touchpoint, payload


def payload_of(kind: str, version: int, raw: msgspec.Raw | bytes) -> Any:
    """The payload of a touchpoint that was read before, as a struct of the payload's model."""
    return _payload_decoders[kind, version](raw)


def json_mistake(error: Exception, text: bytes) -> str:
    """What is wrong with it and at which byte: msgspec says the position of every mistake but that of an early end."""
    early = "truncated" in str(error)
    return f"the JSON ends too early (byte {len(text)})" if early else str(error)


def _refused(error: Exception, path: str, raw: bytes) -> Unreadable:
    if isinstance(error, msgspec.ValidationError):
        detail, _, inner = str(error).partition(" - at `$")
        return Unreadable("invalid", detail, path + inner.rstrip("`"))
    if isinstance(error, msgspec.DecodeError):
        return Unreadable("not_json", json_mistake(error, raw), path)
    return Unreadable("too_deep", REASONS["too_deep"], path)


def _time(text: str, path: str) -> str:
    try:
        return times.canonical(text)
    except (ValueError, OverflowError) as error:
        raise Unreadable("invalid", str(error), path) from error


def content_digest(touchpoint: Any) -> int:
    """64 bits of what the channel said, without what transport added: equal for every repeat of one event.

    See ``said_moment`` for its time.
    """
    said = (
        touchpoint.type,
        touchpoint.version,
        said_moment(touchpoint.original_timestamp, touchpoint.occurred_at, touchpoint.received_at),
        touchpoint.source,
        touchpoint.identifiers,
        touchpoint.payload,
    )
    return xxhash.xxh3_64_intdigest(_encode(said))


def said_moment(original_timestamp: str | None, occurred_at: str, received_at: str) -> str | None:
    """The time as the channel said it: ``original_timestamp`` where its clock was corrected, since each sending corrects it
    anew; None where it said nothing and the time of arrival stands in, which differs for each sending."""
    return original_timestamp or (occurred_at if occurred_at != received_at else None)


def encode(touchpoint: Any) -> bytes:
    """The JSON of a touchpoint, for the ``touchpoints`` topic."""
    if not touchpoint.context:
        touchpoint.context = _EMPTY
    return _encode(touchpoint)


def _check_bytes(raw: bytes) -> None:
    if len(raw) > MAX_BYTES:
        raise Unreadable("too_large", f"{len(raw)} bytes; at most {MAX_BYTES} are taken: send large content elsewhere, link it")
    if not raw.isascii():
        try:
            raw.decode()
        except UnicodeDecodeError as error:
            raise Unreadable("not_utf8", f"byte {error.start} is not UTF-8") from error
    if b"\\" in raw and b"\\u0000" in raw and _nul.search(raw):
        raise Unreadable("nul_character", "remove \\u0000")
    if b"\x00" in raw:
        raise Unreadable("nul_character", f"byte {raw.index(0)} is NUL")
    if raw.count(b"{") + raw.count(b"[") > MAX_DEPTH and depth(raw) > MAX_DEPTH:
        raise Unreadable("too_deep", REASONS["too_deep"])


def depth(raw: bytes) -> int:
    """How deep brackets nest outside strings; stops counting past MAX_DEPTH."""
    level = deepest = 0
    for byte in _strings.sub(b"", raw):
        if byte in b"{[":
            level += 1
            deepest = max(deepest, level)
            if deepest > MAX_DEPTH:
                break
        elif byte in b"}]":
            level -= 1
    return deepest


def _check_time(moment: str, arrival: str, path: str) -> None:
    if "1970" <= moment <= arrival:
        return
    if moment < "1970" or times.to_micros(moment) > times.to_micros(arrival) + MAX_CLOCK_SKEW_MICROS:
        raise Unreadable("time_out_of_range", f"{moment} is before 1970 or more than a day after its arrival at {arrival}", path)


def _unknown(kind: str, version: int) -> Unreadable:
    if kind not in TYPES:
        return Unreadable("unknown_type", f"{kind!r} is none of {', '.join(TYPES)}; anything else fits `custom`", "$.type")
    remedy = "upgrade Rapport, then `rapport quarantine redrive --reason unknown_version`, or send a version that it knows"
    return Unreadable("unknown_version", f"{unknown(kind, version)}: {remedy}", "$.version")
