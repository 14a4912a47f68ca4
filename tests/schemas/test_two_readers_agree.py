"""pydantic is where a touchpoint is described, msgspec what reads it at speed: on every example, good or spoilt, they must agree."""

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from schemas import reading
from schemas.catalogue import Entry, touchpoints
from schemas.touchpoints import PAYLOADS, Envelope

NOW = "2026-11-22T00:00:00.000000Z"
STRANGE: tuple[Any, ...] = (
    None,
    "",
    "x",
    "x" * 30_000,
    -1,
    0,
    7,
    1.5,
    1.0,
    10**16,
    True,
    [],
    [1],
    {},
    {"a": 1},
    "2025-01-01",
    "2025-01-01T00:00:00",
)


def described(raw: bytes) -> str:
    """Where pydantic's description of the touchpoint sees the fault; empty where it sees none."""
    try:
        envelope = Envelope.model_validate_json(raw)
        model = PAYLOADS.get((envelope.type, envelope.version))
        if model is None:
            return "type or version"
        model.model_validate_json(json.dumps(envelope.payload))
    except ValidationError as error:
        return ".".join(str(part) for part in error.errors()[0]["loc"])
    return ""


def read(raw: bytes) -> str:
    """What the reader at the door says; empty where it takes the touchpoint."""
    try:
        reading.read(raw, NOW)
    except reading.Unreadable as refused:
        return str(refused)
    return ""


def spoilt(example: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The example with each field in turn left out or given a strange value, and with fields that nobody named."""
    for path in _paths(example):
        for what, value in (("left out", ...), *((f"= {value!r:.20}", value) for value in STRANGE)):
            changed = copy.deepcopy(example)
            holder: Any = changed
            for step in path[:-1]:
                holder = holder[step]
            if value is ...:
                del holder[path[-1]]
            else:
                holder[path[-1]] = value
            yield f"{'.'.join(map(str, path))} {what}", changed
    yield "an unknown field", example | {"colour": "blue"}
    yield "an unknown field of the payload", example | {"payload": example["payload"] | {"colour": "blue"}}


def _paths(value: Any) -> Iterator[tuple[Any, ...]]:
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in steps:
        yield (step,)
        for further in _paths(inner):
            yield (step, *further)


@pytest.mark.parametrize("entry", touchpoints(), ids=lambda entry: entry.name)
def test_every_example_is_taken_by_both(entry: Entry) -> None:
    raw = entry.example_file.read_bytes()
    assert (described(raw), read(raw)) == ("", "")


@pytest.mark.parametrize("entry", touchpoints(), ids=lambda entry: entry.name)
def test_every_spoilt_example_is_taken_or_refused_by_both(entry: Entry) -> None:
    taken = refused = 0
    for what, touchpoint in spoilt(entry.example()):
        raw = json.dumps(touchpoint).encode()
        fault, refusal = described(raw), read(raw)
        assert bool(fault) == bool(refusal), f"{what}: pydantic says {fault or 'fine'!r}, the reader {refusal or 'fine'!r}"
        taken, refused = taken + (not fault), refused + bool(fault)
    assert taken > 5
    assert refused > 30
