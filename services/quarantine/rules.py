"""The rules of a fix, one line each, applied in order to an original:

replace PATH JSON     puts a value there, whether something was there or not
remove PATH           takes the field or element away, if it is there
cast PATH KIND        makes what is there an int, number, text, boolean or time (RFC 3339, UTC where it names no zone)
new_id                gives an event_id of its own, derived from the quarantine_id: the same however often
patch OPERATIONS      applies a JSON Patch (RFC 6902) whole, or not at all: a failed ``test`` leaves the original in quarantine
"""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from jsonpatch import JsonPatch, JsonPatchException, JsonPointerException

from schemas import times
from services.quarantine.paths import EACH, Steps, WrongRule, has, places, steps_of

FORMS = "replace PATH JSON, remove PATH, cast PATH int|number|text|boolean|time, new_id, or patch OPERATIONS"
MILLISECONDS_FROM = 10**11
"""A number of seconds this large lies in the year 5138: it is taken for milliseconds."""
MOST_DIGITS = 400
_words = re.compile(r'(\w+)(?:\s+(\$(?:\["[^"]*"\]|\S)*))?(?:\s+(\S.*))?', re.DOTALL)
_whole = re.compile(rf"[+-]?\d{{1,{MOST_DIGITS}}}(?:\.0*)?")
_decimal = re.compile(r"[+-]?\d{1,300}(?:\.\d{1,300})?(?:[eE][+-]?\d{1,3})?")


class DoesNotFit(Exception):
    """Raised by ``fixed``: a rule cannot be applied to this original. It stays in quarantine."""

    def __init__(self, detail: str, path: str) -> None:
        super().__init__(detail)
        self.detail, self.path = detail, path


@dataclass(frozen=True, slots=True)
class Rule:
    """``text`` is its one spelling, in which it is published."""

    text: str
    verb: str
    path: str
    steps: Steps
    value: Any = None


def rule_of(text: str) -> Rule:
    """Raises WrongRule."""
    match = _words.fullmatch(text.strip())
    verb, path, rest = match.groups() if match else ("", None, None)
    if verb == "new_id" and path is None and rest is None:
        return Rule("new_id", "new_id", "$.event_id", ("event_id",))
    if verb == "patch" and path is None and rest is not None:
        return patch_rule(rest)
    if verb not in ("replace", "remove", "cast") or path is None or (rest is None) != (verb == "remove"):
        raise WrongRule(f"{text!r} is no rule: write {FORMS}")
    steps = steps_of(path)
    if verb == "replace":
        value = _json(rest or "")
        return Rule(f"replace {path} {json.dumps(value, ensure_ascii=False)}", verb, path, steps, value)
    if not steps:
        raise WrongRule(f"{text!r} names the whole event: only replace fits it")
    if verb == "cast" and rest not in _CASTS:
        raise WrongRule(f"{rest!r} is none of {', '.join(_CASTS)}")
    return Rule(f"cast {path} {rest}" if rest else f"remove {path}", verb, path, steps, rest)


def patch_rule(text: str) -> Rule:
    """Of a JSON Patch: a list of operations. Raises WrongRule."""
    operations = _json(text)
    try:
        for operation in JsonPatch(operations):
            if operation["op"] in ("add", "replace", "test"):
                operation["value"]
    except (JsonPatchException, JsonPointerException, TypeError, AttributeError, KeyError) as error:
        form = '[{"op": "replace", "path": "/payload/total_minor", "value": 150}]'
        raise WrongRule(f"no JSON Patch (RFC 6902): {error}; write it as {form}") from error
    return Rule(f"patch {json.dumps(operations, ensure_ascii=False)}", "patch", "$", (), operations)


def _json(text: str) -> Any:
    try:
        value = json.loads(text)
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise WrongRule(f'{text!r} is not JSON; a text stands in quotes: "EUR"') from error
    return value


def fixed(raw: bytes, rules: Sequence[Rule], quarantine_id: str) -> bytes:
    """The original with the rules applied; without rules, the bytes as they came. Raises DoesNotFit, whatever the bytes."""
    if not rules:
        return raw
    replaces_all = rules[0].verb == "replace" and not rules[0].steps
    value = None if replaces_all else parsed(raw)
    for rule in rules:
        value = _applied(value, rule, quarantine_id)
    return encoded(value)


def parsed(raw: bytes) -> Any:
    """Raises DoesNotFit."""
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise DoesNotFit('the original is not JSON: only `replace $ {"event_id": …}`, the whole anew, fits it', "$") from error


def encoded(value: Any) -> bytes:
    """Raises DoesNotFit for what JSON cannot say: NaN, Infinity, half a character."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except (ValueError, RecursionError) as error:
        raise DoesNotFit("the original holds a value that JSON does not have, such as NaN: replace or remove it too", "$") from error


def _patched(value: Any, operations: Any) -> Any:
    try:
        return JsonPatch(operations).apply(value)
    except (JsonPatchException, JsonPointerException, TypeError, KeyError, RecursionError) as error:
        raise DoesNotFit(f"the patch does not fit: {error}", "$") from error


def _applied(value: Any, rule: Rule, quarantine_id: str) -> Any:
    if rule.verb == "patch":
        return _patched(value, rule.value)
    if not rule.steps:
        return _copy(rule.value)
    found = list(places(value, rule.steps))
    if rule.verb == "remove":
        for holder, step in found:
            if has(holder, step):
                del holder[step]
        return value
    new = f"redriven:{quarantine_id}" if rule.verb == "new_id" else rule.value
    if not found and rule.verb != "cast" and EACH not in rule.steps:
        raise DoesNotFit(f"there is no place for {rule.path} in the original", rule.path)
    for holder, step in found:
        if rule.verb != "cast":
            holder[step] = _copy(new)
        elif has(holder, step):
            holder[step] = _cast(holder[step], rule)
    return value


def _copy(value: Any) -> Any:
    return json.loads(json.dumps(value))


def _cast(value: Any, rule: Rule) -> Any:
    try:
        return _CASTS[rule.value](value)
    except (ValueError, OverflowError, OSError) as error:
        raise DoesNotFit(f"what is there cannot be cast to {rule.value}", rule.path) from error


def _int(value: Any) -> int:
    if isinstance(value, str) and _whole.fullmatch(value.strip()):
        return int(value.strip().partition(".")[0])
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, int):
        return int(value)
    raise ValueError


def _number(value: Any) -> int | float:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int | float):
        return value
    text = value.strip() if isinstance(value, str) else ""
    if _whole.fullmatch(text) and "." not in text:
        return int(text)
    if _decimal.fullmatch(text):
        return float(text)
    raise ValueError


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    raise ValueError


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    said = value.strip().lower() if isinstance(value, str) else str(value)
    if said not in ("true", "false", "1", "0"):
        raise ValueError
    return said in ("true", "1")


def _time(value: Any) -> str:
    if isinstance(value, bool):
        raise ValueError
    if isinstance(value, int | float):
        return times.written(datetime.fromtimestamp(value / 1000 if abs(value) >= MILLISECONDS_FROM else value, UTC))
    if not isinstance(value, str):
        raise ValueError
    moment = datetime.fromisoformat(value.strip())
    return times.written(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


_CASTS: dict[str, Callable[[Any], Any]] = {"int": _int, "number": _number, "text": _text, "boolean": _boolean, "time": _time}


def rules_of(texts: Iterable[str]) -> list[Rule]:
    """Raises WrongRule."""
    return [rule_of(text) for text in texts]
