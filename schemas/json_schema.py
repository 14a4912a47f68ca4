"""A JSON Schema (draft 2020-12) for each message, made from its pydantic model."""

from typing import Any

from schemas.catalogue import Entry
from schemas.times import CANONICAL_PATTERN
from schemas.topics import TOUCHPOINTS
from schemas.touchpoints import Envelope

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema_of(entry: Entry) -> dict[str, Any]:
    """The schema of the whole message; a touchpoint's has its payload in place."""
    made = _touchpoint(entry) if entry.topic is TOUCHPOINTS else entry.model.model_json_schema()
    return {"$schema": DIALECT, "$id": f"urn:rapport:{entry.name}", **made}


def _touchpoint(entry: Entry) -> dict[str, Any]:
    envelope, payload = Envelope.model_json_schema(), entry.model.model_json_schema()
    definitions = envelope.pop("$defs", {}) | payload.pop("$defs", {})
    properties = dict(envelope["properties"])
    properties["type"] = {"const": entry.kind}
    properties["version"] = {"const": 1, "default": 1} if entry.version == 1 else {"const": entry.version}
    properties["payload"] = payload
    described = {"title": f"A touchpoint: {entry.kind}", "description": payload.get("description", "")}
    required = [*envelope["required"], *(["version"] if entry.version > 1 else [])]
    return {**envelope, **described, "properties": properties, "required": required, "$defs": definitions}


def type_in_words(schema: dict[str, Any]) -> str:
    """A field's type as the documentation says it."""
    if "anyOf" in schema:
        return " or ".join(type_in_words(choice) for choice in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(f"`{choice}`" for choice in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if "$ref" in schema:
        return str(schema["$ref"].rsplit("/", 1)[-1])
    if schema.get("type") == "array":
        return f"list of {type_in_words(schema.get('items', {}))}"
    if schema.get("format") == "date-time":
        return "time (RFC 3339)"
    if schema.get("pattern") == CANONICAL_PATTERN:
        return "time (UTC)"
    if schema.get("type") == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"object of {type_in_words(schema['additionalProperties'])}"
    return str(schema.get("type", "anything"))
