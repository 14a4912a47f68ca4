"""Every message keeps what the last release promised about it; and the checker sees each kind of break."""

import json
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from schemas.compatibility import all_breaks, breaks
from schemas.release import last_release, present, record

Schema = dict[str, Any]
NAME = {"type": "string", "maxLength": 200, "pattern": "^[a-z]*$"}
SCHEMA: Schema = {
    "type": "object",
    "properties": {
        "id": NAME,
        "kind": {"enum": ["a", "b"], "type": "string"},
        "score": {"anyOf": [{"type": "number", "minimum": 0, "maximum": 10}, {"type": "null"}], "default": None},
        "lines": {"type": "array", "items": {"$ref": "#/$defs/Line"}, "maxItems": 5, "default": []},
        "own": {"type": "object", "additionalProperties": {"type": "integer"}},
    },
    "required": ["id", "kind"],
    "additionalProperties": True,
    "$defs": {"Line": {"type": "object", "properties": {"sku": NAME, "count": {"type": "integer", "default": 1}}, "required": ["sku"]}},
}
KNOWN = {
    "$schema", "$id", "$ref", "$defs", "type", "properties", "required", "additionalProperties", "items", "anyOf", "enum", "const",
    "default", "minimum", "exclusiveMinimum", "minLength", "minItems", "maximum",
    "exclusiveMaximum", "maxLength", "maxItems", "pattern", "format",
}  # fmt: skip


def changed(*steps: str | int, to: Any) -> Schema:
    schema: Any = deepcopy(SCHEMA)
    holder = schema
    for step in steps[:-1]:
        holder = holder[step]
    if to is ...:
        del holder[steps[-1]]
    else:
        holder[steps[-1]] = to
    return schema  # type: ignore[no-any-return]


def field(name: str, **said: Any) -> Schema:
    return changed("properties", name, to={**SCHEMA["properties"].get(name, {}), **said})


def test_every_message_keeps_what_the_last_release_promised() -> None:
    version, released = last_release()
    assert len(released) >= 30
    assert all_breaks(released, present()) == [], f"a message of {version} may gain fields or a new version: see CONTRIBUTING.md"


def test_the_checker_knows_every_word_that_our_schemas_use() -> None:
    _, released = last_release()
    assert {word for schema in (*released.values(), *present().values()) for word in _words(schema)} <= KNOWN


def _words(value: Any, named: bool = False) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if not named:
                yield key
            if key not in ("default", "const", "enum") or named:
                yield from _words(inner, key in ("properties", "$defs") and not named)
    elif isinstance(value, list):
        for inner in value:
            yield from _words(inner)


@pytest.mark.parametrize("read_here", [True, False], ids=["touchpoint", "published"])
def test_what_did_not_change_is_kept(read_here: bool) -> None:
    assert breaks(SCHEMA, deepcopy(SCHEMA), read_here) == []


BOTH = [
    ("a field is gone", changed("properties", "own", to=...), "$.own: is gone"),
    ("a field has another type", field("id", type="integer"), "$.id: may be"),
    ("another pattern", field("id", pattern="^[a-z0-9]*$"), "$.id: pattern"),
    ("another default", changed("$defs", "Line", "properties", "count", "default", to=2), "$.lines[*].count: another default"),
    ("elements of another type", changed("properties", "lines", "items", to={"type": "string"}), "$.lines[*]: may be"),
    ("a map of other values", changed("properties", "own", "additionalProperties", to={"type": "string"}), "$.own.*: may be"),
]
ONLY_READ = [
    ("a field is newly needed", changed("required", to=["id", "kind", "own"]), "$.own: may be missing"),
    ("a value is no longer taken", field("kind", enum=["a"]), "$.kind: may be 'b'"),
    ("any value, now named ones", field("id", enum=["x"]), "$.id: may be any value"),
    ("shorter", field("id", maxLength=100), "$.id: maxLength 200"),
    ("a limit where there was none", changed("$defs", "Line", "properties", "count", "minimum", to=1), "$.lines[*].count: minimum none"),
    ("null is no longer taken", field("score", anyOf=[{"type": "number", "minimum": 0, "maximum": 10}]), "$.score: may be null"),
    (
        "whole numbers only",
        field("score", anyOf=[{"type": "integer", "minimum": 0, "maximum": 10}, {"type": "null"}]),
        "$.score: may be number",
    ),
    ("no fields of a channel's own", changed("additionalProperties", to=False), "$: fields of a channel's own"),
    ("a field of an element is needed", changed("$defs", "Line", "required", to=["sku", "count"]), "$.lines[*].count: may be missing"),
    ("a new field is needed", changed("properties", "new", to=NAME) | {"required": ["id", "kind", "new"]}, "$.new: may be missing"),
]
ONLY_PUBLISHED = [
    ("a field may be missing", changed("required", to=["id"]), "$.kind: may be missing"),
    ("a value that readers do not know", field("kind", enum=["a", "b", "c"]), "$.kind: may be 'c'"),
    ("longer", field("id", maxLength=300), "$.id: maxLength 300"),
    ("a limit is gone", changed("properties", "lines", "maxItems", to=...), "$.lines: maxItems none"),
    ("null where there was none", field("id", anyOf=[NAME, {"type": "null"}]), "$.id: may be null"),
    ("broken numbers", changed("$defs", "Line", "properties", "count", "type", to="number"), "$.lines[*].count: may be number"),
]


@pytest.mark.parametrize(
    ("present", "read_here", "said"),
    [
        *((schema, True, said) for _, schema, said in (*BOTH, *ONLY_READ)),
        *((schema, False, said) for _, schema, said in (*BOTH, *ONLY_PUBLISHED)),
    ],
    ids=[*(f"touchpoint: {name}" for name, *_ in (*BOTH, *ONLY_READ)), *(f"published: {name}" for name, *_ in (*BOTH, *ONLY_PUBLISHED))],
)
def test_a_break_is_named_with_its_place(present: Schema, read_here: bool, said: str) -> None:
    found = breaks(SCHEMA, present, read_here)
    assert [line for line in found if line.startswith(said)], found


@pytest.mark.parametrize(
    ("present", "read_here"),
    [
        *((schema, True) for _, schema, _ in ONLY_PUBLISHED),
        *((schema, False) for _, schema, _ in ONLY_READ),
        (changed("properties", "new", to={"type": "string", "default": ""}), True),
        (changed("properties", "new", to=NAME) | {"required": ["id", "kind", "new"]}, False),
        (field("id", description="in other words"), True),
    ],
)
def test_what_only_the_other_side_would_mind_and_new_fields_are_kept(present: Schema, read_here: bool) -> None:
    assert breaks(SCHEMA, present, read_here) == []


def test_a_message_that_is_gone_is_a_break_and_a_new_one_is_none() -> None:
    assert all_breaks({"touchpoint.call.v1": SCHEMA}, {"touchpoint.call.v2": SCHEMA}) == ["touchpoint.call.v1: the message is gone"]
    assert all_breaks({}, {"profile": SCHEMA}) == []


def test_a_release_is_recorded_once_and_only_where_it_keeps_the_last_ones_promises(tmp_path: Path) -> None:
    # given: a release, recorded
    record("1.9.0", tmp_path)
    with pytest.raises(ValueError, match=r"1\.9\.0 is recorded"):
        record("1.9.0", tmp_path)

    # when: the next, though by its text it comes before
    record("1.10.0", tmp_path)

    # then: it is the last, and its messages are today's
    assert last_release(tmp_path) == ("1.10.0", present())

    # when: it had promised a message that there is none of
    (tmp_path / "1.10.0.json").write_text(json.dumps({"touchpoint.fax.v1": SCHEMA}))

    # then
    with pytest.raises(ValueError, match=r"touchpoint\.fax\.v1: the message is gone"):
        record("1.11.0", tmp_path)
