"""What a channel sends, one model a type, made from the published ones: for OpenAPI, so that its page names every field."""

from functools import reduce
from operator import or_
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, TypeAdapter, create_model

from schemas.touchpoints import PAYLOADS, TYPES, Envelope

SCHEMA_PLACE = "#/components/schemas/{model}"
EXAMPLES: dict[str, Any] = {
    "purchase": {
        "summary": "A purchase at a till",
        "value": {
            "event_id": "till-17-000123",
            "type": "purchase",
            "occurred_at": "2026-01-31T12:00:00Z",
            "source": "shop-berlin",
            "identifiers": [{"type": "loyalty_card", "value": "4000123"}, {"type": "email", "value": "ada@example.com"}],
            "payload": {
                "order_id": "B-000123",
                "lines": [{"sku": "TEA-1", "category": "tea", "quantity": 2, "unit_price_minor": 450}],
                "total_minor": 900,
                "currency": "EUR",
            },
        },
    },
    "several": {
        "summary": "A call and a survey, in one array",
        "value": [
            {
                "event_id": "pbx-88121",
                "type": "call",
                "occurred_at": "2026-01-31T12:05:00+01:00",
                "identifiers": [{"type": "phone", "value": "+49 30 901820"}],
                "payload": {"direction": "inbound", "outcome": "answered", "duration_seconds": 184, "topic": "delivery"},
            },
            {
                "event_id": "survey-5521",
                "type": "survey",
                "occurred_at": "2026-01-31T12:20:00+01:00",
                "identifiers": [{"type": "phone", "value": "+49 30 901820"}],
                "payload": {"kind": "csat", "score": 4, "scale": 5, "expected": 5, "about": {"type": "call", "id": "pbx-88121"}},
            },
        ],
    },
}


def touchpoint_model(kind: str, version: int) -> type[BaseModel]:
    """The whole touchpoint of a type, as a channel sends it: ``source`` may be left to the write key."""
    payload = PAYLOADS[kind, version]
    fields: dict[str, Any] = {
        name: (field.annotation, field)
        for name, field in Envelope.model_fields.items()
        if name not in ("received_at", "original_timestamp")
    }
    fields["type"] = (Literal[kind], ...)
    fields["version"] = (Literal[version], Field(1) if version == 1 else ...)
    fields["source"] = (
        Annotated[str, Field(min_length=1, max_length=100)] | None,
        Field(None, description="unset: the write key's source"),
    )
    fields["payload"] = (payload, ...)
    return create_model(f"{payload.__name__}Touchpoint", __doc__=payload.__doc__, **fields)


def _every_version(kind: str) -> Any:
    models = [touchpoint_model(kind, version) for of, version in PAYLOADS if of == kind]
    return Annotated[reduce(or_, models), Field(discriminator="version")] if len(models) > 1 else models[0]


def touchpoint_schema() -> tuple[dict[str, Any], dict[str, Any]]:
    """JSON Schema of any touchpoint, and of the components that it refers to."""
    union: Any = Annotated[reduce(or_, [_every_version(kind) for kind in TYPES]), Field(discriminator="type")]
    schema = TypeAdapter(union).json_schema(ref_template=SCHEMA_PLACE)
    return schema, schema.pop("$defs")
