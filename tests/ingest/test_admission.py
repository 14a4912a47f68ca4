"""What is accepted, what is a duplicate, what is rejected, and why."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.quarantine import MOST_BYTES, Quarantined
from schemas.reading import Unreadable, read
from services.ingest.admission import Admission, admit
from services.ingest.message_key import keys_by
from services.ingest.quarantined import message_of
from tests.ingest.requests import ARRIVED, KEY_OF, purchase, without


def admitted(*items: Any) -> Admission:
    raws = [item if isinstance(item, bytes) else json.dumps(item).encode() for item in items]
    return admit(raws, "key-source", ARRIVED, KEY_OF)


def test_an_accepted_touchpoint_carries_its_arrival_and_is_keyed_by_its_strongest_identifier() -> None:
    person = [{"type": "anonymous_id", "value": "a1"}, {"type": "email", "value": "Ada@x.org"}, {"type": "device", "value": "d"}]
    [(key, value)] = admitted(purchase(identifiers=person)).admitted
    touchpoint, payload = read(value, "2030-01-01T00:00:00.000000Z")
    assert key == b"email:Ada@x.org"
    assert (touchpoint.received_at, touchpoint.occurred_at) == (ARRIVED, "2026-01-31T12:00:00.000000Z")
    assert (payload.order_id, payload.total_minor) == ("B-1", 900)


def test_types_of_an_installations_own_come_before_anonymous_ids_by_name() -> None:
    key_of = keys_by(["email", "anonymous_id"])
    identifier = msgspec.defstruct("Identifier", ["type", "value"])
    own = [identifier("anonymous_id", "1"), identifier("till_card", "3"), identifier("badge", "2")]
    assert key_of(own) == b"badge:2"
    assert key_of([*own, identifier("email", "b"), identifier("email", "a")]) == b"email:a"


def test_a_missing_source_is_the_write_keys_and_a_given_one_stays() -> None:
    anonymous = without(purchase("a"), "source")
    named_deep = without(purchase("b", context={"source": "campaign"}), "source")
    result = admitted(anonymous, named_deep, purchase("c"))
    assert [read(value, ARRIVED)[0].source for _, value in result.admitted] == ["key-source", "key-source", "shop-berlin"]


def test_an_event_without_an_id_is_rejected_and_told_why_ids_matter() -> None:
    [rejected] = admitted(without(purchase(), "event_id")).rejected
    assert (rejected.reason, rejected.index, rejected.event_id) == ("invalid", 0, None)
    assert "event_id" in rejected.detail
    assert "nothing counts twice" in rejected.detail


def test_a_channel_cannot_set_the_time_of_arrival_to_pass_a_time_that_is_out_of_range() -> None:
    far = purchase(occurred_at="9999-01-01T00:00:00Z", received_at="9999-01-01T00:00:00Z")
    earlier = purchase("ok", received_at="2020-01-01T00:00:00Z")
    result = admitted(far, earlier)
    assert [each.reason for each in result.rejected] == ["time_out_of_range"]
    assert read(result.admitted[0].value, ARRIVED)[0].received_at == ARRIVED


def test_a_repeat_within_the_request_is_a_duplicate_and_other_content_is_a_conflict() -> None:
    other = purchase(payload={"order_id": "B-1", "total_minor": 901, "currency": "EUR"})
    result = admitted(purchase(), purchase(), other, purchase("till-2"))
    assert len(result.admitted) == 2
    assert [(each.index, each.event_id) for each in result.duplicates] == [(1, "till-1")]
    assert [(each.index, each.reason, each.path) for each in result.rejected] == [(2, "conflicting_duplicate", "$.event_id")]


BAD = {
    "empty": (b"{}", "invalid", "$"),
    "blank": (b"{ \n}", "invalid", "$"),
    "depth": (b'{"event_id":"x","payload":' + b"[" * 10_000 + b"]" * 10_000 + b"}", "too_deep", "$"),
    "nan": (b'{"event_id":"x","payload":{"total_minor":NaN}}', "not_json", "$"),
    "utf8": (b'{"event_id":"\xff"}', "not_utf8", "$"),
    "nul": (purchase("a\0b"), "nul_character", "$"),
    "raw nul": (b'{"event_id":"a\0b"}', "nul_character", "$"),
    "year 9999": (purchase(occurred_at="9999-12-31T00:00:00Z"), "time_out_of_range", "$.occurred_at"),
    "before 1970": (purchase(occurred_at="1969-12-31T23:59:59Z"), "time_out_of_range", "$.occurred_at"),
    "outside the calendar": (purchase(occurred_at="9999-12-31T23:59:59-23:59"), "invalid", "$.occurred_at"),
    "no zone": (purchase(occurred_at="2026-01-01T00:00:00"), "invalid", "$.occurred_at"),
    "negative": (purchase(payload={"order_id": "1", "total_minor": -1, "currency": "EUR"}), "invalid", "$.payload.total_minor"),
    "fraction": (purchase(payload={"order_id": "1", "total_minor": 1.5, "currency": "EUR"}), "invalid", "$.payload.total_minor"),
    "currency": (purchase(payload={"order_id": "1", "total_minor": 1, "currency": "euro"}), "invalid", "$.payload.currency"),
    "type": (purchase(type="teleport"), "unknown_type", "$.type"),
    "version": (purchase(version=9), "unknown_version", "$.version"),
    "identifiers": (purchase(identifiers=[]), "invalid", "$.identifiers"),
    "unknown field": (purchase(sauce="x"), "invalid", "$"),
    "not an object": (b"[1]", "invalid", "$"),
    "number": (b"17", "invalid", "$"),
    "cut": (b'{"event_id":', "not_json", "$"),
    "large": (purchase(context={"note": "x" * 300_000}), "too_large", "$"),
    "arrival in escapes": (
        json.dumps(purchase(received_at="2026-01-31T00:00:00Z")).replace("d_a", "d\\u005fa").encode(),
        "invalid",
        "$.received_at",
    ),
    "surrogate": (b'{"event_id":"\\ud800"}', "not_json", "$"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_rejected_alone_with_reason_path_and_bytes(name: str) -> None:
    item, reason, path = BAD[name]
    result = admitted(purchase("before"), item, purchase("after"))
    [rejected] = result.rejected
    assert (rejected.index, rejected.reason, rejected.path) == (1, reason, path)
    assert rejected.detail
    assert rejected.raw == (item if isinstance(item, bytes) else json.dumps(item).encode())
    assert len(result.admitted) == 2


@pytest.mark.parametrize("item", [purchase(type="teleport"), purchase(sauce="x"), purchase(occurred_at="soon"), b'{"event_id":'])
def test_a_refusal_is_told_in_the_readers_words(item: Any) -> None:
    raw = item if isinstance(item, bytes) else json.dumps(item).encode()
    with pytest.raises(Unreadable) as told:
        read(raw, ARRIVED)
    [rejected] = admitted(item).rejected
    assert rejected.detail == told.value.detail


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6)
mutations = st.dictionaries(
    st.sampled_from([*purchase(), "version", "received_at", "original_timestamp", "context"]),
    scalars | st.lists(scalars, max_size=2) | st.dictionaries(st.text(max_size=4), scalars, max_size=2),
    max_size=3,
)
touchpoints = st.builds(lambda change: json.dumps({**purchase(), **change}).encode(), mutations)


@given(items=st.lists(touchpoints | st.binary(max_size=40), max_size=5))
def test_whatever_comes_every_item_is_accepted_a_duplicate_or_rejected(items: list[bytes]) -> None:
    result = admit(items, "s", ARRIVED, KEY_OF)
    assert len(result.admitted) + len(result.duplicates) + len(result.rejected) == len(items)
    for _, value in result.admitted:
        assert read(value, ARRIVED)[0].received_at == ARRIVED
    for each in result.rejected:
        Quarantined.model_validate_json(message_of(each, "s", ARRIVED).value)


def test_a_rejected_item_is_kept_whole_under_an_id_that_a_repeat_has_too() -> None:
    item = '{"event_id":"e-7","type":"purchase","occurred_at":"soon","größe":1}'.encode()
    first, second = (
        message_of(admit([item], "s", when, KEY_OF).rejected[0], "s", when) for when in (ARRIVED, "2026-03-01T00:00:00.000000Z")
    )
    kept = Quarantined.model_validate_json(first.value)
    assert first.key == second.key == kept.quarantine_id.encode()
    assert message_of(admit([item], "other", ARRIVED, KEY_OF).rejected[0], "other", ARRIVED).key != first.key
    assert (kept.original, kept.encoding, kept.stage, kept.source) == (item.decode(), "utf8", "ingest", "s")
    assert (kept.event_id, kept.type, kept.occurred_at) == ("e-7", "purchase", "soon")


@pytest.mark.parametrize("raw", [b"\xff\xfe", b'"\\' * 700_000, b"\x01" * 1_500_000, b"\xff" * 4_000_000])
def test_bytes_that_are_no_text_or_that_grow_in_json_fit_into_a_kafka_message(raw: bytes) -> None:
    [rejected] = admit([raw], "s", ARRIVED, KEY_OF).rejected
    value = message_of(rejected, "s", ARRIVED).value
    kept = Quarantined.model_validate_json(value)
    assert kept.encoding == "base64"
    assert len(value) < MOST_BYTES + 2_000
    assert ("only the first" in kept.detail) == (len(raw) > MOST_BYTES // 4 * 3)
