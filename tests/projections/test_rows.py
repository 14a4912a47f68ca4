"""Messages into rows: pure, complete, and the same every time."""

import inspect
import json
from pathlib import Path
from types import NoneType
from typing import Any, get_args

import msgspec
import pytest
from pydantic import BaseModel

from schemas import loyalty_events, profile_events, quarantine, topics, touchpoints
from services.projections import messages
from services.projections.batch_rows import BatchRows, rows_of_batch
from services.projections.routing import TABLES, rows_of
from tests.projections.published import Said, Story

OF_TYPE = {
    **{f"profile.{name}": topics.PROFILE_CHANGES.name for name in profile_events.PROFILE_EVENTS},
    **{f"loyalty.{name}": topics.LOYALTY_CHANGES.name for name in loyalty_events.LOYALTY_EVENTS},
    "profile": topics.PROFILES.name,
    "account": topics.LOYALTY_ACCOUNTS.name,
    "quarantined": topics.QUARANTINE.name,
    "quarantine_decided": topics.QUARANTINE.name,
}
MODELS: dict[str, type[BaseModel]] = {
    **{model.__name__: model for model in vars(profile_events).values() if inspect.isclass(model) and issubclass(model, BaseModel)},
    **{model.__name__: model for model in vars(loyalty_events).values() if inspect.isclass(model) and issubclass(model, BaseModel)},
    **{model.__name__: model for model in vars(touchpoints).values() if inspect.isclass(model) and issubclass(model, BaseModel)},
    "Quarantined": quarantine.Quarantined,
    "QuarantineDecision": quarantine.QuarantineDecision,
    "Held": profile_events.HeldIdentifier,
    "Touchpoint": profile_events.AppliedTouchpoint,
    "CaseStep": touchpoints.Case,
}
STRUCTS = {
    name: struct
    for name, struct in vars(messages).items()
    if inspect.isclass(struct) and issubclass(struct, msgspec.Struct) and struct not in (msgspec.Struct, messages.Talk)
}
TALKS = ("Call", "Email", "Chat", "Message", "Social")


def example(examples: Path, name: str) -> Said:
    value = (examples / f"{name}.json").read_bytes()
    headers = (("id", b"7"), ("type", name.rpartition(".")[2].encode()), ("sequence", b"3"))
    return Said(OF_TYPE[name], b"k", value, headers)


def applied(examples: Path, path: Path) -> Said:
    """The example of a touchpoint, as the profile stage publishes it."""
    event = json.loads((examples / "profile.touchpoint_applied.json").read_bytes())
    said = json.loads(path.read_bytes())
    event["touchpoint"] |= {"type": said["type"], "payload": said["payload"], "context": said.get("context", {})}
    return Said(topics.PROFILE_CHANGES.name, b"k", json.dumps(event).encode(), (("id", b"7"), ("type", b"touchpoint_applied")))


def rows(message: Said) -> BatchRows:
    return rows_of_batch([message])


@pytest.mark.parametrize("name", OF_TYPE)
def test_every_published_message_becomes_rows_twice_the_same(examples: Path, name: str) -> None:
    message = example(examples, name)

    once, twice = rows(message), rows(message)

    assert once.outcomes == {("applied", ""): 1}
    assert once.rows == twice.rows
    assert all(len(row) == len(table.columns) for table, found in once.rows.items() for row in found)


def test_every_type_of_touchpoint_becomes_rows(examples: Path) -> None:
    paths = sorted(examples.glob("touchpoint.*.json"))
    assert {path.name.split(".")[1] for path in paths} == set(touchpoints.TYPES)

    for path in paths:
        found = rows(applied(examples, path))
        assert found.outcomes == {("applied", ""): 1}, path.name


def test_every_table_is_fed_by_some_message(examples: Path) -> None:
    fed = [example(examples, name) for name in OF_TYPE] + [applied(examples, path) for path in examples.glob("touchpoint.*.json")]

    assert set(rows_of_batch(fed).rows) == set(TABLES)


@pytest.mark.parametrize("name", sorted(STRUCTS))
def test_what_is_read_of_a_message_is_in_its_published_schema(name: str) -> None:
    for model in [MODELS[talk] for talk in TALKS] if name == "Talk" else [MODELS[name]]:
        for field in msgspec.structs.fields(STRUCTS[name]):
            if field.name not in model.model_fields:
                assert name == "Social", f"{model.__name__} has no {field.name}"
                continue
            published = model.model_fields[field.name]
            may_be_null = NoneType in get_args(published.annotation)
            assert not may_be_null or NoneType in get_args(field.type), f"{name}.{field.name} may be null"
            if issubclass(model, touchpoints.Open):
                assert published.is_required() or not field.required, f"{name}.{field.name} may be missing"


def test_a_conversation_is_read_of_every_payload_that_has_one() -> None:
    for name in TALKS:
        known = set(MODELS[name].model_fields)
        assert "direction" in known
        assert known & {"conversation_id", "case_id"}, name


def test_a_purchase_keeps_what_the_shop_said_to_the_cent() -> None:
    lines = [{"sku": "a", "quantity": 2, "unit_price_minor": 250}, {"sku": "b", "name": "B", "category": "c"}]
    payload = {"order_id": "o1", "total_minor": 512, "tax_minor": 12, "currency": "EUR", "lines": lines, "store": "berlin"}

    found = {table.name: [dict(zip(table.columns, row, strict=True)) for row in made] for table, made in _purchase(payload).items()}

    (purchase,) = found["purchases"]
    assert (purchase["total_minor"], purchase["tax_minor"], purchase["shipping_minor"], purchase["divisor"]) == (512, 12, None, 100)
    assert (purchase["lines"], purchase["quantity"], purchase["store"], purchase["payment"]) == (2, 3, "berlin", "")
    first, second = found["purchase_lines"]
    assert (first["line"], first["sku"], first["quantity"], first["unit_price_minor"], first["name"]) == (1, "a", 2, 250, "")
    assert (second["line"], second["unit_price_minor"], second["category"]) == (2, None, "c")


@pytest.mark.parametrize(("currency", "divisor"), [("EUR", 100), ("JPY", 1), ("KWD", 1000)])
def test_minor_units_are_those_of_the_currency(currency: str, divisor: int) -> None:
    made = _purchase({"order_id": "o", "total_minor": 1, "currency": currency})

    (row,) = next(rows for table, rows in made.items() if table.name == "purchases")
    assert dict(zip(next(t for t in TABLES if t.name == "purchases").columns, row, strict=True))["divisor"] == divisor


def test_a_refund_without_an_amount_gives_back_the_sum_of_its_lines() -> None:
    lines = [{"sku": "a", "amount_minor": 100}, {"sku": "b", "amount_minor": 50}]
    story = Story()

    named = story.touchpoint("e1", "refund", {"order_id": "o", "refund_id": "r", "amount_minor": 7, "lines": lines, "currency": "EUR"})
    summed = story.touchpoint("e2", "refund", {"order_id": "o", "refund_id": "s", "lines": lines, "currency": "EUR"})

    made = next(rows for table, rows in rows_of_batch([named, summed]).rows.items() if table.name == "refunds")
    column = next(t for t in TABLES if t.name == "refunds").columns.index("amount_minor")
    assert [row[column] for row in made] == [7, 150]


def test_traits_are_told_as_text_or_as_json() -> None:
    said = {name: {"value": value, "occurred_at": "2025-01-01T00:00:00.000000Z", "event_id": "e"} for name, value in _TRAITS.items()}

    (row,) = next(iter(rows_of_batch([Story().snapshot("customer_id:1", traits=said)]).rows.values()))

    table = next(t for t in TABLES if t.name == "customers")
    assert dict(zip(table.columns, row, strict=True))["traits"] == {"city": "Leeds", "vip": "true", "ages": "[1,2]", "quote": 'a"b'}


_TRAITS = {"city": "Leeds", "vip": True, "ages": [1, 2], "quote": 'a"b'}


def test_of_a_customers_snapshots_in_a_batch_only_the_highest_sequence_is_read() -> None:
    story = Story()
    newer, older = story.snapshot("customer_id:1", 5, touchpoints=5), story.snapshot("customer_id:1", 4, touchpoints=4)

    found = rows_of_batch([older, newer, older])

    assert {table.name: [row[1] for row in rows] for table, rows in found.rows.items()} == {"customers": [5], "profiles": [5]}
    assert found.outcomes == {("applied", ""): 1, ("applied", "superseded"): 2}


def _purchase(payload: dict[str, Any]) -> Any:
    return rows_of_batch([Story().touchpoint("e1", "purchase", payload)]).rows


def test_rows_come_only_after_the_whole_message_was_understood() -> None:
    broken = Story().touchpoint("e1", "purchase", {"order_id": "o", "total_minor": "much", "currency": "EUR"})

    with pytest.raises(Exception, match="Expected `int`"):
        rows_of(broken.topic, 0, broken.headers, broken.value)


def shown(examples: Path, table: str, type: str, **payload: Any) -> dict[str, Any]:
    """The one row of that table for a touchpoint that says no more than it must."""
    path = examples / f"touchpoint.{type}.v1.json"
    message = applied(examples, path)
    event = json.loads(message.value or b"")
    event["touchpoint"]["payload"] = payload
    found = rows(Said(message.topic, b"k", json.dumps(event).encode(), message.headers)).rows
    [(columns, [row])] = [(one.columns, of) for one, of in found.items() if one.name == table]
    return dict(zip(columns, row, strict=True))


def test_what_a_channel_left_out_is_empty_and_never_made_up(examples: Path) -> None:
    order = {"order_id": "o1", "total_minor": 5, "currency": "EUR", "lines": [{"sku": "a"}]}
    purchase = shown(examples, "purchases", "purchase", **order)
    assert (purchase["order_id"], purchase["total_minor"], purchase["store"], purchase["payment"]) == ("o1", 5, "", "")
    line = shown(examples, "purchase_lines", "purchase", **order)
    assert (line["sku"], line["name"], line["category"], line["quantity"]) == ("a", "", "", 1)
    survey = shown(examples, "surveys", "survey", kind="csat", scale=5)
    assert (survey["score"], survey["comment"], survey["about_type"], survey["about_id"]) == (None, "", "", "")
