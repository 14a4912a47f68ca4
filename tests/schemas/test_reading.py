"""What is no touchpoint is refused with its reason, the field's path and a word on what is wrong."""

import json
from typing import Any

import msgspec
import pytest

from schemas.compiled import struct_of
from schemas.reading import MAX_BYTES, MAX_DEPTH, Unreadable, content_digest, depth, encode, payload_decoder, read, said_moment
from schemas.touchpoints import NEWEST, PAYLOADS

ARRIVAL = "2026-06-02T12:00:00.000000Z"
SAID = {
    "event_id": "e1",
    "type": "visit",
    "occurred_at": "2026-06-01T12:00:00Z",
    "source": "web",
    "identifiers": [{"type": "customer_id", "value": "1"}],
    "payload": {"place": "page", "name": "home"},
}


def raw(**more: Any) -> bytes:
    return json.dumps(SAID | more).encode()


def refused(value: bytes) -> tuple[str, str, str]:
    with pytest.raises(Unreadable) as error:
        read(value, ARRIVAL)
    assert str(error.value) == f"{error.value.reason} at {error.value.path}: {error.value.detail}"
    return error.value.reason, error.value.path, error.value.detail


@pytest.mark.parametrize(
    ("value", "reason", "path", "detail"),
    [
        (b'{"event_id":', "not_json", "$", "the JSON ends too early (byte 12)"),
        (b"\xc3\xa4 \xff", "not_utf8", "$", "byte 3 is not UTF-8"),
        (b"a\x00b\x00", "nul_character", "$", "byte 1 is NUL"),
        (raw(event_id="a\0b"), "nul_character", "$", "remove \\u0000"),
        (raw(type="telepathy"), "unknown_type", "$.type", "'telepathy' is none of call, "),
        (raw(version=9), "unknown_version", "$.version", "this Rapport knows visit in version 1, not 9: "),
        (raw(payload={"place": "page"}), "invalid", "$.payload", "missing required field `name`"),
        (raw(payload={"place": "page", "name": 1}), "invalid", "$.payload.name", "Expected `str`"),
        (raw(occurred_at="yesterday"), "invalid", "$.occurred_at", "yesterday"),
        (raw(received_at="yesterday"), "invalid", "$.received_at", "yesterday"),
        (raw(original_timestamp="yesterday"), "invalid", "$.original_timestamp", "yesterday"),
        (raw(context=[1]), "invalid", "$.context", "Expected `object`"),
        (raw(occurred_at="1969-12-31T23:59:59Z"), "time_out_of_range", "$.occurred_at", "1969-12-31T23:59:59.000000Z is before 1970"),
        (raw(occurred_at="2026-06-03T12:00:00.000001Z"), "time_out_of_range", "$.occurred_at", f"after its arrival at {ARRIVAL}"),
        (raw(received_at="2026-06-03T12:00:00.000001Z"), "time_out_of_range", "$.received_at", f"after its arrival at {ARRIVAL}"),
    ],
)
def test_a_refusal_says_what_is_wrong_and_where(value: bytes, reason: str, path: str, detail: str) -> None:
    found = refused(value)
    assert found[:2] == (reason, path)
    assert detail in found[2]


def test_a_touchpoint_may_lie_a_day_ahead_of_its_arrival_and_comes_back_in_one_spelling() -> None:
    touchpoint, payload = read(raw(occurred_at="2026-06-03T14:00:00+02:00", original_timestamp="2026-06-03T12:00:00Z"), ARRIVAL)
    assert (touchpoint.occurred_at, touchpoint.received_at) == ("2026-06-03T12:00:00.000000Z", ARRIVAL)
    assert touchpoint.original_timestamp == "2026-06-03T12:00:00.000000Z"
    assert (payload.place, payload.name) == ("page", "home")
    assert json.loads(encode(touchpoint))["context"] == {}


def nested(levels: int, bracket: str = "[") -> bytes:
    """So many levels in all; the payload is the second."""
    inside = "[" * (levels - 2) + "]" * (levels - 2) if bracket == "[" else '{"a":' * (levels - 2) + "1" + "}" * (levels - 2)
    return raw().replace(b'"home"', b'"home", "more": ' + inside.encode())


@pytest.mark.parametrize("bracket", ["[", "{"])
def test_nesting_is_taken_to_its_limit_and_no_further(bracket: str) -> None:
    assert read(nested(MAX_DEPTH, bracket), ARRIVAL)[0].event_id == "e1"
    assert refused(nested(MAX_DEPTH + 1, bracket))[0] == "too_deep"


def test_many_brackets_beside_each_other_or_in_a_text_are_not_deep() -> None:
    assert read(raw(payload={"place": "page", "name": "[{" * 100 + '\\"', "more": [[], {}] * 100}), ARRIVAL)[0].event_id == "e1"
    assert depth(b'{"a": [{}, {}], "b": {"c": []}, "d": "\\"[[[["}') == 3
    assert depth(b"[[[[],[[]]]]]") == 5


def test_what_is_too_large_is_refused_by_its_size() -> None:
    room = MAX_BYTES - len(raw(context={"a": ""}))
    assert read(raw(context={"a": "x" * room}), ARRIVAL)[0].event_id == "e1"
    assert refused(raw(context={"a": "x" * (room + 1)})) == (
        "too_large",
        "$",
        f"{MAX_BYTES + 1} bytes; at most {MAX_BYTES} are taken: send large content elsewhere, link it",
    )


def test_a_payload_is_read_as_its_types_newest_version_and_refused_where_its_own_does_not_fit() -> None:
    lines = [{"sku": "a", "amount_minor": 3}, {"sku": "b", "amount_minor": 4}]
    said = {"order_id": "o", "refund_id": "r", "currency": "EUR", "lines": lines}
    newest, older = (payload_decoder("refund", version) for version in (2, 1))
    assert older(json.dumps(said).encode()).total_minor == 7
    assert newest(json.dumps({**said, "total_minor": 6}).encode()).total_minor == 6
    assert isinstance(older(json.dumps(said).encode()), struct_of(PAYLOADS["refund", NEWEST["refund"]]))
    with pytest.raises(msgspec.ValidationError, match="amount_minor"):
        older(json.dumps({**said, "amount_minor": "7"}).encode())
    with pytest.raises(msgspec.ValidationError, match="total_minor"):
        newest(json.dumps(said).encode())


def digest(**more: Any) -> int:
    return content_digest(read(raw(**more), ARRIVAL)[0])


@pytest.mark.parametrize(
    "other",
    [
        {"type": "custom", "payload": {"name": "home"}},
        {"occurred_at": "2026-06-01T12:00:01Z"},
        {"original_timestamp": "2026-06-01T11:00:00Z"},
        {"source": "app"},
        {"identifiers": [{"type": "customer_id", "value": "2"}]},
        {"payload": {"place": "page", "name": "other"}},
    ],
)
def test_other_content_has_another_digest(other: dict[str, Any]) -> None:
    assert digest(**other) != digest()


def test_what_transport_adds_does_not_count_as_content() -> None:
    assert digest(received_at="2026-06-01T13:00:00Z", context={"page": "/"}) == digest()
    corrected = [digest(occurred_at=f"2026-06-01T12:00:0{n}Z", original_timestamp="2026-06-01T11:00:00Z") for n in range(2)]
    assert corrected[0] == corrected[1]
    without = [digest(occurred_at=at, received_at=at) for at in ("2026-06-01T12:00:00Z", "2026-06-01T13:00:00Z")]
    assert without[0] == without[1] != digest()
    assert said_moment(None, "a", "a") is None
