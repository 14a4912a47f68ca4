"""Segment's calls become touchpoints."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.reading import read
from services.ingest.admission import Admission
from services.ingest.items import Unparsable
from services.ingest.minor_units import to_minor
from services.ingest.segment import Shared
from services.ingest.segment_admission import admit_calls, read_batch, read_single
from tests.ingest.requests import ARRIVED, KEY_OF

AT = {"messageId": "m-1", "timestamp": "2026-02-01T11:00:00.000Z", "userId": "u-1"}


def admitted(kind: str | None, *calls: Any, shared: Shared = Shared()) -> Admission:  # noqa: B008
    raws = [json.dumps(call).encode() for call in calls]
    return admit_calls(raws, kind, shared, "web", ARRIVED, KEY_OF, lambda: "made-here")


def touchpoint(kind: str, shared: Shared = Shared(), **call: Any) -> dict[str, Any]:  # noqa: B008
    result = admitted(kind, {**AT, **call}, shared=shared)
    assert not result.rejected, result.rejected
    found: dict[str, Any] = json.loads(result.admitted[0].value)
    read(result.admitted[0].value, ARRIVED)
    return found


def ids(found: dict[str, Any]) -> list[tuple[str, str]]:
    return [(each["type"], each["value"]) for each in found["identifiers"]]


def test_a_track_call_is_kept_whole_as_a_custom_touchpoint() -> None:
    found = touchpoint("track", event="Song Played", properties={"song": "Naima", "rating": None}, anonymousId="a-1")
    assert (found["type"], found["event_id"], found["source"]) == ("custom", "m-1", "web")
    assert found["payload"] == {"name": "Song Played", "properties": {"song": "Naima", "rating": None}}
    assert ids(found) == [("customer_id", "u-1"), ("anonymous_id", "a-1")]


def test_a_completed_order_is_a_purchase_in_minor_units() -> None:
    products = [{"sku": "TEA", "price": 4.35, "quantity": 2, "category": "tea"}, {"product_id": 17, "price": "1.10"}]
    order = {"order_id": 5512, "total": 14.8, "tax": 1, "shipping": 4.0, "currency": "eur", "affiliation": "shop", "products": products}
    found = touchpoint("track", event="Order Completed", properties=order)
    payload = found["payload"]
    assert (found["type"], payload["order_id"], payload["currency"], payload["store"]) == ("purchase", "5512", "EUR", "shop")
    assert (payload["total_minor"], payload["tax_minor"], payload["shipping_minor"]) == (1480, 100, 400)
    assert [(line["sku"], line["quantity"], line["unit_price_minor"]) for line in payload["lines"]] == [("TEA", 2, 435), ("17", 1, 110)]
    assert payload["properties"] == order


@pytest.mark.parametrize(
    ("properties", "total"),
    [
        ({"total": "19.99"}, 1999),
        ({"revenue": 10, "tax": 1.5, "shipping": 2}, 1350),
        ({"value": 7}, 700),
        ({"products": [{"sku": "a", "price": 2.5, "quantity": 3}], "shipping": 1, "discount": 0.5}, 800),
        ({"products": [{"sku": "a", "price": 2.5}, {"sku": "b", "price": 1}]}, 350),
        ({"total": 1200, "currency": "JPY"}, 1200),
        ({"revenue": 1000, "tax": 100, "shipping": 50, "currency": "JPY"}, 1150),
        ({"value": 700, "currency": "JPY"}, 700),
        ({"products": [{"sku": "a", "price": 400}], "tax": 40, "discount": 10, "currency": "JPY"}, 430),
        ({"total": 1.2345, "currency": "KWD"}, 1234),
        ({"total": 0.1 + 0.2}, 30),
    ],
)
def test_what_was_paid_is_found_wherever_segment_lets_it_stand(properties: dict[str, Any], total: int) -> None:
    payload = touchpoint("track", event="Order Completed", properties={"order_id": "1", **properties})["payload"]
    assert payload["total_minor"] == total
    assert payload["currency"] == properties.get("currency", "USD")


def test_a_purchase_keeps_every_field_in_the_minor_units_of_its_currency() -> None:
    tea = {"id": "T-1", "name": "Tea", "category": "hot", "price": 1200, "quantity": 2}
    order = {"order_id": 7, "total": 2500, "tax": 60, "shipping": 40, "currency": "JPY", "affiliation": "web", "payment_method": "card"}
    properties = {**order, "products": [tea, {"name": "Gift", "price": ""}]}
    assert touchpoint("track", event="Order Completed", properties=properties)["payload"] == {
        "order_id": "7",
        "total_minor": 2500,
        "tax_minor": 60,
        "shipping_minor": 40,
        "currency": "JPY",
        "store": "web",
        "payment": "card",
        "lines": [
            {"sku": "T-1", "name": "Tea", "category": "hot", "quantity": 2, "unit_price_minor": 1200},
            {"sku": "Gift", "name": "Gift", "category": None, "quantity": 1, "unit_price_minor": None},
        ],
        "properties": properties,
    }


@pytest.mark.parametrize(
    ("said", "total"),
    [
        ({"total": 900, "revenue": 800, "value": 700}, 900),
        ({"revenue": 800, "value": 700}, 800),
        ({"value": 700}, 700),
        ({"total": "", "products": [{"sku": "a", "price": 300, "quantity": 2}, {"sku": "b", "price": 50}]}, 650),
    ],
)
def test_a_refund_keeps_every_field_in_the_minor_units_of_its_currency(said: dict[str, Any], total: int) -> None:
    properties = {"order_id": 7, "refund_id": "R-1", "currency": "JPY", "reason": "broken", **said}
    payload = touchpoint("track", event="Order Refunded", properties=properties)["payload"]
    assert [line["amount_minor"] for line in payload.pop("lines")] == ([600, 50] if "products" in said else [])
    assert payload == {
        "order_id": "7",
        "refund_id": "R-1",
        "total_minor": total,
        "currency": "JPY",
        "reason": "broken",
        "properties": properties,
    }


def test_a_refund_is_its_total_or_the_products_that_came_back() -> None:
    whole = touchpoint("track", event="Order Refunded", properties={"order_id": "1", "total": 9.99, "products": [{"sku": "a"}]})["payload"]
    part = touchpoint("track", event="Order Refunded", properties={"order_id": "1", "products": [{"sku": "a", "price": 2, "quantity": 2}]})
    assert (whole["total_minor"], whole["lines"], whole["refund_id"]) == (999, [], "m-1")
    assert (part["type"], part["version"], part["payload"]["total_minor"]) == ("refund", 2, 400)
    assert part["payload"]["lines"] == [{"sku": "a", "quantity": 2, "amount_minor": 400}]


@pytest.mark.parametrize("kind", ["page", "screen"])
def test_pages_and_screens_are_visits(kind: str) -> None:
    context = {"page": {"path": "/tea", "referrer": "https://x.org"}, "campaign": {"name": "spring"}}
    found = touchpoint(kind, context=context, category="shop", properties={"title": "Tea"})
    payload = found["payload"]
    assert (found["type"], payload["place"], payload["name"], payload["category"]) == ("visit", kind, "Tea", "shop")
    assert (payload["referrer"], payload["campaign"]) == ("https://x.org", "spring")
    assert payload["properties"] == {"title": "Tea"}


@pytest.mark.parametrize(
    ("call", "name"),
    [
        ({"name": "Home", "properties": {"name": "other", "title": "T", "path": "/t"}}, "Home"),
        ({"properties": {"title": "T", "path": "/t", "url": "https://x.org/t"}}, "T"),
        ({"properties": {"path": "/t", "url": "https://x.org/t"}}, "/t"),
        ({"properties": {"url": "https://x.org/t"}}, "https://x.org/t"),
        ({"context": {"page": {"path": "/t"}}}, "/t"),
        ({"context": {"page": "no object"}}, ""),
    ],
)
def test_a_visit_is_named_by_the_best_that_is_known(call: dict[str, Any], name: str) -> None:
    assert touchpoint("page", **call)["payload"]["name"] == name


def test_identify_keeps_traits_and_knows_the_customer_by_address_and_number_too() -> None:
    found = touchpoint("identify", traits={"email": "Ada@x.org", "phone": 441632960000, "plan": None, "note": ""})
    assert found["payload"] == {"traits": {"email": "Ada@x.org", "phone": 441632960000, "plan": None, "note": ""}}
    assert ids(found) == [("customer_id", "u-1"), ("email", "Ada@x.org"), ("phone", "441632960000")]


def test_alias_links_both_ids() -> None:
    found = touchpoint("alias", previousId="a-9")
    assert (found["type"], found["payload"]) == ("identify", {"traits": {}, "previous_id": "a-9"})
    assert ids(found) == [("customer_id", "u-1"), ("anonymous_id", "a-9")]


def test_group_is_kept_as_a_custom_touchpoint() -> None:
    found = touchpoint("group", groupId="acme", traits={"size": 5})
    assert found["payload"] == {"name": "group", "properties": {"group_id": "acme", "traits": {"size": 5}}}
    assert ids(found) == [("customer_id", "u-1")]


def test_external_ids_become_identifiers_and_hashed_ones_are_of_a_type_of_their_own() -> None:
    external = [
        {"id": "77", "type": "till.card", "collection": "users", "encoding": "none"},
        {"id": "u-2", "type": "user_id", "collection": "users"},
        {"id": "9f", "type": "email", "encoding": "sha256"},
        {"id": "acme", "type": "account", "collection": "accounts"},
        {"id": None, "type": "x"},
        "nonsense",
    ]
    found = touchpoint("track", event="x", context={"externalIds": external, "device": {"id": "d-1"}, "traits": {"email": "a@x.org"}})
    assert ids(found) == [
        ("customer_id", "u-1"),
        ("email", "a@x.org"),
        ("till_card", "77"),
        ("customer_id", "u-2"),
        ("email_sha256", "9f"),
        ("device", "d-1"),
    ]


@pytest.mark.parametrize(
    ("entry", "kind"),
    [
        ({}, "external"),
        ({"type": "  "}, "external"),
        ({"type": "Till-Card ", "encoding": "none"}, "till_card"),
        ({"type": "userId"}, "customer_id"),
        ({"type": "ios.id"}, "device"),
        ({"type": "android.id"}, "device"),
        ({"type": "user_id", "encoding": "MD5"}, "user_id_md5"),
        ({"type": "x1"}, "x1"),
        ({"type": "1st"}, "id_1st"),
        ({"type": "k" * 41}, "k" * 40),
        ({"type": "1" * 41}, "id_" + "1" * 37),
        ({"type": "client", "collection": ""}, "client"),
        ({"type": "client", "collection": None}, "client"),
        ({"type": "client", "collection": "user"}, "client"),
    ],
)
def test_the_type_of_an_external_id_is_spelled_as_types_are(entry: dict[str, Any], kind: str) -> None:
    found = touchpoint("track", event="x", context={"externalIds": [{"id": 5, **entry}]})
    assert ids(found)[1:] == [(kind, "5")]


def test_nulls_that_real_clients_send_are_no_obstacle() -> None:
    nulls: dict[str, Any] = dict.fromkeys(["anonymousId", "context", "integrations", "properties", "sentAt", "category", "traits"])
    assert ids(touchpoint("track", event="x", **nulls)) == [("customer_id", "u-1")]
    assert touchpoint("page", **nulls)["payload"]["name"] == ""


def test_the_channels_clock_is_corrected_by_when_it_says_it_sent() -> None:
    found = touchpoint("track", event="x", timestamp="2020-05-05T10:00:00Z", sentAt="2020-05-05T10:00:30+00:00")
    assert found["occurred_at"] == "2026-02-01T11:59:30.000000Z"
    assert found["original_timestamp"] == "2020-05-05T10:00:00.000000Z"


def test_a_clock_without_a_zone_is_utcs() -> None:
    found = touchpoint("track", event="x", timestamp="2020-05-05T10:00:00", sentAt="2020-05-05T10:00:30Z")
    assert found["occurred_at"] == "2026-02-01T11:59:30.000000Z"


def test_a_clock_that_leaves_the_calendar_is_out_of_range() -> None:
    call = {**AT, "event": "x", "timestamp": "9999-12-31T00:00:00Z", "sentAt": "0001-01-01T00:00:00Z"}
    [rejected] = admitted("track", call).rejected
    assert (rejected.reason, rejected.path) == ("time_out_of_range", "$.timestamp")
    assert "outside the calendar" in rejected.detail


def test_without_sent_at_the_timestamp_stands_and_without_a_timestamp_the_arrival() -> None:
    assert touchpoint("track", event="x")["occurred_at"] == "2026-02-01T11:00:00.000000Z"
    assert touchpoint("track", event="x", sentAt="rubbish")["occurred_at"] == "2026-02-01T11:00:00.000000Z"
    assert touchpoint("track", event="x", timestamp="2026-02-01T10:00:00")["occurred_at"] == "2026-02-01T10:00:00.000000Z"
    for nothing in (None, ""):
        found = touchpoint("track", event="x", timestamp=nothing)
        assert (found["occurred_at"], found["original_timestamp"]) == (ARRIVED, None)


def test_what_the_batch_says_holds_for_its_calls_unless_they_say_otherwise() -> None:
    shared = read_batch(
        b'{"batch":[],"sentAt":"2026-02-01T12:00:10Z","context":{"ip":"1.1.1.1","locale":"de"},"integrations":{"All":true}}'
    ).shared()
    found = touchpoint("track", shared, event="x", context={"locale": "en"}, sentAt="2001-01-01T00:00:00Z", channel="server")
    assert found["context"] == {
        "ip": "1.1.1.1",
        "locale": "en",
        "segment": {"call": "track", "integrations": {"All": True}, "channel": "server"},
    }
    assert found["occurred_at"] == "2026-02-01T10:59:50.000000Z"


def test_a_call_keeps_its_own_integrations_beside_those_of_its_batch() -> None:
    found = touchpoint("track", Shared(integrations={"All": True, "Mail": True}), event="x", integrations={"Mail": False})
    assert found["context"]["segment"]["integrations"] == {"All": True, "Mail": False}


def test_a_customer_is_known_by_the_address_and_number_among_an_events_properties() -> None:
    found = touchpoint("track", event="x", properties={"email": "a@x.org", "phone": "+4930"})
    assert ids(found) == [("customer_id", "u-1"), ("email", "a@x.org"), ("phone", "+4930")]


def test_a_refused_call_is_kept_as_it_came_with_what_can_be_told_of_it() -> None:
    call = {"type": "dance", **AT}
    [kept] = admitted(None, call).rejected
    assert json.loads(kept.raw) == call
    assert (kept.event_id, kept.type, kept.occurred_at) == ("m-1", "dance", AT["timestamp"])
    assert kept.detail == "'dance' is none of identify, track, page, screen, group, alias"
    [of_track] = admitted("track", {**call, "messageId": "m" * 200}).rejected
    assert (of_track.event_id, of_track.type) == ("m" * 200, "track")
    [long] = admitted("track", {**call, "messageId": "m" * 201, "event": "x"}).rejected
    assert (long.event_id, long.path) == (None, "$.messageId")


def test_a_call_without_a_message_id_gets_one_and_the_write_key_is_never_kept() -> None:
    result = admitted("track", {"userId": 42, "event": "x", "writeKey": "rk_secret"})
    [(key, value)] = result.admitted
    assert (key, json.loads(value)["event_id"]) == (b"customer_id:42", "made-here")
    assert b"rk_secret" not in value


@pytest.mark.parametrize(
    ("raw", "reason", "told"),
    [
        (b'{"event":"\xff"}', "not_utf8", "invalid start byte"),
        (b'{"event":', "not_json", "the JSON ends too early (byte 9)"),
        (b'{"event":' + b"[" * 100_000, "too_deep", "the JSON is nested too deep"),
        (b"17", "invalid", "expected an object: one call"),
    ],
)
def test_what_is_no_call_is_refused_with_its_reason(raw: bytes, reason: str, told: str) -> None:
    [rejected] = admit_calls([raw], "track", Shared(), "web", ARRIVED, KEY_OF, lambda: "new").rejected
    assert (rejected.reason, rejected.path, rejected.raw) == (reason, "$", raw)
    assert told in rejected.detail


@pytest.mark.parametrize(("said", "known"), [(42, "42"), (42.0, "42"), (4.5, "4.5"), (" 7 ", " 7 ")])
def test_an_id_that_is_a_number_is_the_text_that_a_person_would_write(said: Any, known: str) -> None:
    assert ids(touchpoint("track", event="x", userId=said)) == [("customer_id", known)]


def test_one_bad_call_does_not_fail_its_batch() -> None:
    good, again = {"type": "track", "event": "x", **AT}, {"type": "track", "event": "x", **AT}
    result = admitted(None, good, {"type": "dance", **AT}, again, 17, {"type": "page", "messageId": "m-5"})
    assert (len(result.admitted), [each.index for each in result.duplicates]) == (1, [2])
    assert [(r.index, r.reason, r.path, r.event_id) for r in result.rejected] == [
        (1, "unknown_type", "$.type", "m-1"),
        (3, "invalid", "$", None),
        (4, "invalid", "$.userId", "m-5"),
    ]
    assert result.rejected[2].detail.startswith("give userId or anonymousId")


@pytest.mark.parametrize(
    ("kind", "call", "path"),
    [
        ("track", {}, "$.event"),
        ("track", {"event": "x" * 201}, "$.event"),
        ("track", {"event": "x", "properties": 5}, "$.properties"),
        ("track", {"event": "x", "timestamp": "yesterday"}, "$.timestamp"),
        ("track", {"event": "x", "timestamp": 1700000000}, "$.timestamp"),
        ("track", {"event": "x", "timestamp": "2030-01-01T00:00:00Z"}, "$.timestamp"),
        ("track", {"event": "x", "timestamp": "2026-01-01T00:00:00Z", "sentAt": "0001-01-01T00:00:00Z"}, "$.timestamp"),
        ("track", {"event": "x", "messageId": "m" * 201}, "$.messageId"),
        ("track", {"event": "x", "userId": "u" * 600}, "$.userId"),
        ("track", {"event": "Order Completed", "properties": {"total": 5}}, "$.properties.order_id"),
        ("track", {"event": "Order Completed", "properties": {"order_id": "1"}}, "$.properties.total"),
        ("track", {"event": "Order Completed", "properties": {"order_id": "1", "total": -5}}, "$.properties.total"),
        ("track", {"event": "Order Completed", "properties": {"order_id": "1", "total": True}}, "$.properties.total"),
        ("track", {"event": "Order Completed", "properties": {"order_id": "1", "total": "1e99"}}, "$.properties.total"),
        ("track", {"event": "Order Completed", "properties": {"order_id": "1", "total": 5, "currency": "Euro"}}, "$.properties.currency"),
        ("track", {"event": "Order Completed", "properties": {"order_id": "1", "total": 5, "tax": "x"}}, "$.properties.tax"),
        (
            "track",
            {"event": "Order Completed", "properties": {"order_id": "1", "total": 5, "products": [{}]}},
            "$.properties.products[0].sku",
        ),
        (
            "track",
            {"event": "Order Completed", "properties": {"order_id": "1", "total": 5, "products": [{"sku": "a", "quantity": 1.5}]}},
            "$.properties.products[0].quantity",
        ),
        (
            "track",
            {"event": "Order Completed", "properties": {"order_id": "1", "total": 5, "products": [{"sku": "a", "price": -1}]}},
            "$.properties.products[0].price",
        ),
        (
            "track",
            {"event": "Order Completed", "properties": {"order_id": "1", "total": 5, "products": [{"sku": "a", "price": "x"}]}},
            "$.properties.products[0].price",
        ),
        (
            "track",
            {"event": "Order Completed", "properties": {"order_id": "1", "total": 5, "products": [{"sku": "a", "quantity": "x"}]}},
            "$.properties.products[0].quantity",
        ),
        ("track", {"event": "Order Completed", "properties": {"order_id": "1", "total": 5, "products": ["a"]}}, "$.properties.products"),
        ("track", {"event": "Order Refunded", "properties": {"order_id": "1"}}, "$.properties.total"),
        ("track", {"event": "Order Refunded", "properties": {"order_id": "1", "value": "x"}}, "$.properties.value"),
        (
            "track",
            {"event": "Order Refunded", "properties": {"order_id": "1", "products": [{"sku": "a", "price": 1}, {"price": 1}]}},
            "$.properties.products[1].sku",
        ),
        (
            "track",
            {"event": "Order Refunded", "properties": {"order_id": "1", "products": [{"sku": "a", "price": 1}, {"sku": "b"}]}},
            "$.properties.products[1].price",
        ),
        (
            "track",
            {"event": "Order Refunded", "properties": {"order_id": "1", "products": [{"sku": "a", "price": "x"}]}},
            "$.properties.products[0].price",
        ),
        (
            "track",
            {"event": "Order Refunded", "properties": {"order_id": "1", "products": [{"sku": "a", "price": 1, "quantity": 0.5}]}},
            "$.properties.products[0].quantity",
        ),
        ("alias", {}, "$.previousId"),
        ("identify", {"traits": []}, "$.traits"),
    ],
)
def test_a_refused_call_names_the_field_in_segments_words(kind: str, call: dict[str, Any], path: str) -> None:
    [rejected] = admitted(kind, {**AT, **call}).rejected
    assert rejected.path == path
    assert rejected.detail.strip("None")


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "the JSON ends too early (byte 0)"),
        (b"[]", 'expected {"batch": [calls], "sentAt": time}'),
        (b'{"batch":5}', 'expected {"batch": [calls], "sentAt": time}'),
        (b'{"batch":[', "the JSON ends too early (byte 10)"),
        (b"{}", "missing required field `batch`: expected"),
        (b'{"batch":' + b"[" * 10_000, "recursion"),
    ],
)
def test_what_is_no_batch_is_refused_whole_and_told_why(body: bytes, told: str) -> None:
    with pytest.raises(Unparsable) as refusal:
        read_batch(body)
    assert told in str(refusal.value)


def test_the_write_key_in_the_body_of_a_single_call_is_found() -> None:
    assert read_single(b'{"writeKey":"rk_1","event":"x"}') == "rk_1"
    assert read_single(b'{"event":"x"}') is None
    assert read_single(b"[1]") is None
    with pytest.raises(Unparsable, match="byte"):
        read_single(b'{"event":}')


@pytest.mark.parametrize("amount", [None, True, [], "", "abc", "NaN", "Infinity", "1e400", float("1e300")])
def test_what_is_no_amount_is_refused(amount: Any) -> None:
    with pytest.raises(ValueError, match="no amount"):
        to_minor(amount, "USD")


@given(minor=st.integers(min_value=0, max_value=10**12), currency=st.sampled_from(["USD", "JPY", "KWD", "CLF"]))
def test_an_amount_survives_the_way_through_a_json_number(minor: int, currency: str) -> None:
    scale = {"USD": 2, "JPY": 0, "KWD": 3, "CLF": 4}[currency]
    text = f"{minor // 10**scale}.{minor % 10**scale:0{scale}d}" if scale else str(minor)
    assert to_minor(json.loads(text), currency) == to_minor(text, currency) == minor


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("2026-01-01T00:00:00Z"),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["email", "id", "order_id", "total", "products", "sku", "type"]), inner)
    ),
    max_leaves=5,
)
calls = st.fixed_dictionaries(
    {"type": st.sampled_from(["track", "page", "identify", "alias", "group", "screen", 5, None])},
    optional={
        name: anything | st.just("Order Completed")
        for name in [
            "event",
            "userId",
            "anonymousId",
            "previousId",
            "messageId",
            "timestamp",
            "sentAt",
            "context",
            "traits",
            "properties",
            "name",
        ]
    },
)


@given(items=st.lists(calls.map(lambda call: json.dumps(call).encode()) | st.binary(max_size=20), max_size=4), context=anything)
def test_whatever_calls_come_each_is_accepted_a_duplicate_or_rejected(items: list[bytes], context: Any) -> None:
    shared = Shared(sent_at=context, context=context if isinstance(context, dict) else {})
    result = admit_calls(items, None, shared, "web", ARRIVED, KEY_OF, lambda: "new")
    assert len(result.admitted) + len(result.duplicates) + len(result.rejected) == len(items)
    for _, value in result.admitted:
        read(value, ARRIVED)
