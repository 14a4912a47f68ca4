"""``docs/events.md`` and ``docs/topics.md``, written from the models, so that they say what is."""

import json
from typing import Any

from schemas import asyncapi, quarantine, reading
from schemas.catalogue import Entry, published, touchpoints
from schemas.json_schema import schema_of, type_in_words
from schemas.topics import TOPICS, TOUCHPOINTS, Topic
from schemas.touchpoints import Envelope
from schemas.upcasting import STEPS

GENERATED = "<!-- Written by `python -m schemas.publish` from schemas/*.py; a test compares. Change the models, not this page. -->\n"


def events_page() -> str:
    """Every message type: its fields and an example."""
    sent, told = touchpoints(), published()
    parts = [
        GENERATED,
        "# Events\n",
        "Times that Rapport publishes are UTC, RFC 3339 with six decimals. Money is integer minor units (cents) and an ISO 4217 currency.",
        "Each message has a JSON Schema in [`schemas/json`](../schemas/json), and an example in",
        "[`schemas/examples`](../schemas/examples).\n",
        "## What channels send: touchpoints\n",
        _doc(Envelope) + "\n",
        _fields(Envelope.model_json_schema()),
        "The fields of `payload` depend on `type` and `version`. Fields that are not named here are kept and shown, never lost.",
        "Of a type with several versions all are taken; what is published keeps the version in which it was sent.\n",
        *(_entry(entry, "payload") for entry in sent),
        "## What Rapport publishes\n",
        *(_entry(entry, None) for entry in told),
        _reasons(),
    ]
    return "\n".join(parts)


def topics_page() -> str:
    """Every topic: who it is for, its key, headers and settings."""
    rows = [f"| `{topic.name}` | {topic.what} | {topic.key} | {_policy(topic)} | {topic.partitions} |" for topic in TOPICS]
    headers = [f"| `{name}` | {', '.join(_with_header(name))} | {meaning} |" for name, meaning in asyncapi.HEADERS.items()]
    messages = [f"* `{topic.name}`: {', '.join(_links(topic))}" for topic in TOPICS]
    parts = [
        GENERATED,
        "# Topics\n",
        "`rapport migrate` creates them (and leaves those that exist as they are). The whole as AsyncAPI 3.0:",
        "[`schemas/asyncapi.json`](../schemas/asyncapi.json). How to read them without a gap: [subscribe.md](subscribe.md).\n",
        "| topic | what | key | kept | partitions |\n|---|---|---|---|---|",
        *rows,
        "\n## Headers\n",
        "All headers are ASCII text.\n",
        "| header | on | meaning |\n|---|---|---|",
        *headers,
        "\n## Messages\n",
        *messages,
    ]
    return "\n".join(parts) + "\n"


def _policy(topic: Topic) -> str:
    return "the latest of each key (compacted)" if topic.compacted else "for ever"


def _with_header(name: str) -> list[str]:
    return [f"`{topic.name}`" for topic in TOPICS if name in topic.headers]


def _links(topic: Topic) -> list[str]:
    return [f"[{entry.title}](events.md#{_anchor(entry)})" for entry in (*touchpoints(), *published()) if entry.topic is topic]


def _anchor(entry: Entry) -> str:
    return entry.name.replace(".", "")


def _doc(model: object) -> str:
    return "\n".join(line.strip() for line in (model.__doc__ or "").strip().splitlines()).replace("``", "`")


def _entry(entry: Entry, part: str | None) -> str:
    schema = schema_of(entry)
    described = {**schema["properties"][part], "$defs": schema.get("$defs", {})} if part else schema
    example = json.dumps(entry.example(), indent=2, ensure_ascii=False)
    about = f"Topic `{entry.topic.name}`. {_doc(entry.model)}{_succeeded(entry)}"
    return f"### {entry.name}\n\n{about}\n\n{_fields(described)}\n```json\n{example}\n```\n"


def _succeeded(entry: Entry) -> str:
    """Of an older version: that it is taken as ever, and how it is read."""
    step = STEPS.get((entry.kind, entry.version)) if entry.topic is TOUCHPOINTS else None
    if step is None:
        return ""
    newer = f"touchpoint.{entry.kind}.v{entry.version + 1}"
    return f"\n\nTaken as ever, and read as [{newer}](#{newer.replace('.', '')}): {_doc(step)}"


def _fields(schema: dict[str, Any]) -> str:
    text = _table(schema)
    for name in _mentioned(schema):
        definition = schema["$defs"][name]
        text += f"\n*{name}*: {' '.join(definition.get('description', '').split())}\n\n{_table(definition)}"
    return text


def _mentioned(schema: dict[str, Any]) -> list[str]:
    """Definitions that the fields refer to, directly or through one another."""
    found: list[str] = []
    waiting = [schema.get("properties", {})]
    while waiting:
        for name in _references(waiting.pop()):
            if name not in found:
                found.append(name)
                waiting.append(schema["$defs"][name].get("properties", {}))
    return found


def _references(value: Any) -> list[str]:
    if isinstance(value, dict):
        here = [value["$ref"].rsplit("/", 1)[-1]] if isinstance(value.get("$ref"), str) else []
        return here + [name for item in value.values() for name in _references(item)]
    return [name for item in value for name in _references(item)] if isinstance(value, list) else []


def _table(schema: dict[str, Any]) -> str:
    rows = ["| field | type | required | meaning |", "|---|---|---|---|"]
    required = schema.get("required", [])
    for name, field in schema.get("properties", {}).items():
        meaning = f"{field.get('description', '')}{_limits(field)}".strip()
        rows.append(f"| `{name}` | {type_in_words(field)} | {'yes' if name in required else 'no'} | {meaning} |")
    return "\n".join(rows) + "\n"


def _limits(field: dict[str, Any]) -> str:
    words = {
        "minimum": "at least {}",
        "maximum": "at most {}",
        "minLength": "at least {} characters",
        "maxLength": "at most {} characters",
        "maxItems": "at most {} items",
        "minItems": "at least {} items",
    }
    choices = [field, *field.get("anyOf", [])]
    said = [words[key].format(choice[key]) for choice in choices for key in words if key in choice]
    return f" ({', '.join(said)})" if said else ""


def _reasons() -> str:
    rows = [f"| `{reason}` | {meaning} |" for reason, meaning in (reading.REASONS | quarantine.REASONS).items()]
    return "## Reasons of quarantine\n\n| reason | meaning |\n|---|---|\n" + "\n".join(rows) + "\n"
