"""Whether today's messages keep what the last release promised about them: its JSON Schemas beside today's. Pure.

* A touchpoint is written by a channel and read here. All that the released schema took is still taken, and means the same.
* What Rapport publishes is read by others. All that may be published now, a reader of the released schema understands; fields
  that it does not know, it skips.

So every message may gain fields (a touchpoint: optional ones), a touchpoint's limits may widen, a published message's may narrow.
Whatever else is to change is a new version of a touchpoint, or a new message.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

Schema = Mapping[str, Any]
_LEAST = ("minimum", "exclusiveMinimum", "minLength", "minItems")
_MOST = ("maximum", "exclusiveMaximum", "maxLength", "maxItems")
_EXACT = ("pattern", "format")
_ABSENT: Any = object()


class Pair(NamedTuple):
    """The same place in both. ``read_here``: a touchpoint's, else of what is published."""

    released: Schema
    present: Schema
    root_released: Schema
    root_present: Schema
    read_here: bool
    path: str

    def at(self, released: Any, present: Any, step: str) -> "Pair":
        return self._replace(
            released=_resolved(released, self.root_released), present=_resolved(present, self.root_present), path=self.path + step
        )

    @property
    def writer(self) -> Schema:
        return self.released if self.read_here else self.present

    @property
    def reader(self) -> Schema:
        return self.present if self.read_here else self.released


def all_breaks(released: Mapping[str, Schema], present: Mapping[str, Schema]) -> list[str]:
    """Every promise that is not kept, by message. Messages are named as in ``schemas.catalogue``."""
    found = [f"{name}: the message is gone" for name in released if name not in present]
    both = [name for name in released if name in present]
    return found + [f"{name}: {what}" for name in both for what in breaks(released[name], present[name], name.startswith("touchpoint."))]


def breaks(released: Schema, present: Schema, read_here: bool) -> list[str]:
    """What one message does not keep, each with its path."""
    return list(_breaks(Pair({}, {}, released, present, read_here, "").at(released, present, "$")))


def _breaks(pair: Pair) -> Iterator[str]:
    if (before := pair.released.get("default", _ABSENT)) is not (now := pair.present.get("default", _ABSENT)) and before != now:
        yield f"{pair.path}: another default says something else: {_said(before)}, now {_said(now)}"
    for released, present in _alternatives(pair):
        choice = pair.at(released, present, "")
        yield from (*_values(choice), *_limits(choice), *_fields(choice), *_elements(choice))
    writes, reads = ({_kind(one) for one in _choices(side, root)} for side, root in _sides(pair))
    if "anything" not in reads:
        for kind in sorted(writes - reads - ({"integer"} if "number" in reads else set())):
            yield f"{pair.path}: may be {kind}, where a reader takes {' or '.join(sorted(reads))}"


def _sides(pair: Pair) -> tuple[tuple[Schema, Schema], tuple[Schema, Schema]]:
    roots = (pair.root_released, pair.root_present) if pair.read_here else (pair.root_present, pair.root_released)
    return (pair.writer, roots[0]), (pair.reader, roots[1])


def _alternatives(pair: Pair) -> Iterator[tuple[Schema, Schema]]:
    """What stands for the same kind of value on both sides. Of pydantic's unions each kind has one alternative."""
    present = {_kind(one): one for one in _choices(pair.present, pair.root_present)}
    for one in _choices(pair.released, pair.root_released):
        kind = _kind(one)
        wider = {"integer": "number", "number": "integer"}.get(kind, kind)
        if (other := present.get(kind, present.get(wider))) is not None:
            yield one, other


def _values(pair: Pair) -> Iterator[str]:
    written, taken = _named_values(pair.writer), _named_values(pair.reader)
    if taken is None:
        return
    if written is None:
        yield f"{pair.path}: may be any value, where a reader takes {_listed(taken)}"
    elif more := [value for value in written if value not in taken]:
        yield f"{pair.path}: may be {_listed(more)}, where a reader takes {_listed(taken)}"


def _limits(pair: Pair) -> Iterator[str]:
    for name in _LEAST:
        if name in pair.reader and pair.writer.get(name, float("-inf")) < pair.reader[name]:
            yield f"{pair.path}: {name} {_said(pair.writer.get(name, _ABSENT))}, where a reader takes {pair.reader[name]}"
    for name in _MOST:
        if name in pair.reader and pair.writer.get(name, float("inf")) > pair.reader[name]:
            yield f"{pair.path}: {name} {_said(pair.writer.get(name, _ABSENT))}, where a reader takes {pair.reader[name]}"
    for name in _EXACT:
        if name in pair.reader and pair.writer.get(name) != pair.reader[name]:
            yield f"{pair.path}: {name} {_said(pair.writer.get(name, _ABSENT))}, where a reader takes {pair.reader[name]}"


def _fields(pair: Pair) -> Iterator[str]:
    released, present = pair.released.get("properties", {}), pair.present.get("properties", {})
    for name in released:
        if name not in present:
            yield f"{pair.path}.{name}: is gone"
        else:
            yield from _breaks(pair.at(released[name], present[name], f".{name}"))
    for name in pair.reader.get("required", []):
        if name in present and name not in pair.writer.get("required", []):
            yield f"{pair.path}.{name}: may be missing, where a reader needs it"
    written, taken = pair.writer.get("additionalProperties", True), pair.reader.get("additionalProperties", True)
    if isinstance(taken, Mapping):
        yield from _breaks(pair.at(*_in_order(pair, {} if written is True else written or {}, taken), ".*"))
    elif taken is False and written is not False and pair.read_here:
        yield f"{pair.path}: fields of a channel's own are refused"


def _in_order(pair: Pair, written: Schema, taken: Schema) -> tuple[Schema, Schema]:
    return (written, taken) if pair.read_here else (taken, written)


def _elements(pair: Pair) -> Iterator[str]:
    if "items" in pair.reader:
        yield from _breaks(pair.at(pair.released.get("items", {}), pair.present.get("items", {}), "[*]"))


# ---- the part of JSON Schema that pydantic writes


def _resolved(schema: Any, root: Schema) -> Schema:
    """Without ``$ref``; what stands beside it (a default) stays."""
    while isinstance(schema, Mapping) and "$ref" in schema:
        rest = {name: value for name, value in schema.items() if name != "$ref"}
        schema = {**root["$defs"][schema["$ref"].rsplit("/", 1)[-1]], **rest}
    return schema if isinstance(schema, Mapping) else {}


def _choices(schema: Schema, root: Schema) -> list[Schema]:
    return [_resolved(one, root) for one in schema["anyOf"]] if "anyOf" in schema else [schema]


def _kind(schema: Schema) -> str:
    named = _named_values(schema)
    return str(schema.get("type") or (_TYPES[type(named[0])] if named else "anything"))


_TYPES = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}


def _named_values(schema: Schema) -> list[Any] | None:
    return [schema["const"]] if "const" in schema else schema.get("enum")


def _listed(values: list[Any]) -> str:
    return ", ".join(map(repr, values))


def _said(value: Any) -> str:
    return "none" if value is _ABSENT else repr(value)
