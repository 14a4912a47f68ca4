"""A fix: small declared rules, applied to an original in order."""

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.quarantine.paths import WrongRule, differences
from services.quarantine.rules import DoesNotFit, fixed, rule_of, rules_of

ORIGINAL = {"type": "purchase", "payload": {"total": "12", "lines": [{"q": "1"}, {"q": "2", "old": 1}], "a.b": 1}}


def after(*rules: str, original: Any = None) -> Any:
    raw = json.dumps(ORIGINAL if original is None else original).encode()
    return json.loads(fixed(raw, rules_of(rules), "ingest:7"))


def cast(value: Any, kind: str) -> Any:
    return after(f"cast $.x {kind}", original={"x": value})["x"]


def test_rules_are_applied_in_order() -> None:
    found = after('replace $.payload.currency "EUR"', "remove $.payload.lines[1].old", "cast $.payload.lines[*].q int", "new_id")

    assert found["payload"] == {"total": "12", "lines": [{"q": 1}, {"q": 2}], "a.b": 1, "currency": "EUR"}
    assert found["event_id"] == "redriven:ingest:7"


def test_a_name_with_a_dot_an_element_and_the_whole_can_be_named() -> None:
    assert after('remove $.payload["a.b"]')["payload"].keys() == {"total", "lines"}
    assert after("remove $.payload.lines[*]")["payload"]["lines"] == []
    assert after("remove $.payload.lines[0]")["payload"]["lines"] == [{"q": "2", "old": 1}]
    assert after('replace $ {"a": 1}', "replace $.b 2") == {"a": 1, "b": 2}


def test_a_json_patch_is_applied_whole_or_not_at_all() -> None:
    operations = [
        {"op": "test", "path": "/payload/total", "value": "12"},
        {"op": "replace", "path": "/payload/total", "value": 12},
        {"op": "move", "from": "/payload/a.b", "path": "/payload/lines/0/ab"},
        {"op": "remove", "path": "/payload/lines/1/old"},
        {"op": "add", "path": "/payload/lines/-", "value": {"q": "3"}},
    ]

    found = after("cast $.payload.lines[*].q int", f"patch {json.dumps(operations)}")

    assert found["payload"] == {"total": 12, "lines": [{"q": 1, "ab": 1}, {"q": 2}, {"q": "3"}]}
    for wrong in (
        {"op": "test", "path": "/payload/total", "value": "12"},
        {"op": "remove", "path": "/payload/tax"},
        {"op": "replace", "path": "/payload/tax/rate", "value": 1},
        {"op": "add", "path": "/payload/lines/7", "value": 1},
        {"op": "add", "path": "/type/a", "value": 1},
    ):
        with pytest.raises(DoesNotFit, match="the patch does not fit"):
            after(f"patch {json.dumps([*operations[1:2], wrong])}")


def test_what_is_not_json_can_only_be_replaced_whole() -> None:
    assert fixed(b"{oops", rules_of(['replace $ {"a": 1}']), "q") == b'{"a":1}'
    with pytest.raises(DoesNotFit, match="not JSON"):
        fixed(b"{oops", rules_of(["remove $.a"]), "q")


@pytest.mark.parametrize(
    ("original", "rule", "path", "told"),
    [
        (b"{oops", "remove $.a", "$", "the original is not JSON"),
        (b'{"a":NaN}', "replace $.b 1", "$", "the original holds a value that JSON does not have"),
        (b'{"a":1}', 'patch [{"op":"remove","path":"/b"}]', "$", "the patch does not fit: "),
        (b'{"a":1}', "replace $.b.c 1", "$.b.c", "there is no place for $.b.c in the original"),
        (b'{"a":[1]}', "replace $.a[1] 1", "$.a[1]", "there is no place for $.a[1] in the original"),
        (b'{"a":"text"}', "replace $.a[0] 1", "$.a[0]", "there is no place for $.a[0] in the original"),
        (b"[]", "new_id", "$.event_id", "there is no place for $.event_id in the original"),
        (b'{"a":"x"}', "cast $.a int", "$.a", "what is there cannot be cast to int"),
    ],
)
def test_a_rule_that_does_not_fit_says_where_and_why(original: bytes, rule: str, path: str, told: str) -> None:
    with pytest.raises(DoesNotFit) as refusal:
        fixed(original, rules_of([rule]), "q")
    assert refusal.value.path == path
    assert refusal.value.detail.startswith(told)


def test_what_is_fixed_keeps_its_letters() -> None:
    assert fixed('{"name": "Müller", "b": 1}'.encode(), rules_of(['replace $.b "ß"']), "q") == '{"name":"Müller","b":"ß"}'.encode()


@pytest.mark.parametrize(
    ("typed", "spelled"),
    [
        (' replace  $.a   {"name":"Müller"} ', 'replace $.a {"name": "Müller"}'),
        ("remove $.a[0]", "remove $.a[0]"),
        ("cast  $.a  int", "cast $.a int"),
        ("new_id ", "new_id"),
        ('patch [{"op":"test","path":"/größe","value":null}]', 'patch [{"op": "test", "path": "/größe", "value": null}]'),
    ],
)
def test_a_rule_has_one_spelling(typed: str, spelled: str) -> None:
    assert rule_of(typed).text == spelled


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("drop $.a", "'drop $.a' is no rule: write replace PATH JSON, "),
        ("remove $..a", "'$..a' is no path: write it as $.payload.lines[0].sku"),
        ("remove $", "names the whole event: only replace fits it"),
        ("cast $.a money", "'money' is none of int, number, text, boolean, time"),
        ("replace $.a EUR", "'EUR' is not JSON; a text stands in quotes"),
        ("patch [1]", 'write it as [{"op": "replace", "path": "/payload/total_minor", "value": 150}]'),
    ],
)
def test_a_rule_that_is_spelled_wrong_is_told_how_to_write_it(text: str, told: str) -> None:
    with pytest.raises(WrongRule) as refusal:
        rule_of(text)
    assert told in str(refusal.value)


def test_without_rules_the_bytes_stay_as_they_came() -> None:
    assert fixed(b'{"a" :  1.10}', [], "q") == b'{"a" :  1.10}'


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        (" 12 ", "int", 12),
        ("-7.00", "int", -7),
        (3.0, "int", 3),
        (3, "int", 3),
        (True, "int", 1),
        ("1.5", "number", 1.5),
        ("10", "number", 10),
        (" 10.0 ", "number", 10.0),
        ("-2e3", "number", -2000.0),
        (False, "number", 0),
        (2.5, "number", 2.5),
        (7, "text", "7"),
        (True, "text", "true"),
        (2.5, "text", "2.5"),
        ("False", "boolean", False),
        (" TRUE", "boolean", True),
        ("0", "boolean", False),
        ("1", "boolean", True),
        (0, "boolean", False),
        (1, "boolean", True),
        (True, "boolean", True),
        (1_741_168_800, "time", "2025-03-05T10:00:00.000000Z"),
        (1_741_168_800_000, "time", "2025-03-05T10:00:00.000000Z"),
        (100_000_000_000, "time", "1973-03-03T09:46:40.000000Z"),
        (99_999_999_999, "time", "5138-11-16T09:46:39.000000Z"),
        (-1, "time", "1969-12-31T23:59:59.000000Z"),
        ("2025-03-05 10:00:00", "time", "2025-03-05T10:00:00.000000Z"),
        ("2025-03-05T11:00:00+01:00", "time", "2025-03-05T10:00:00.000000Z"),
    ],
)
def test_a_cast_says_the_same_in_the_type_that_is_asked_for(value: Any, kind: str, expected: Any) -> None:
    found = cast(value, kind)

    assert found == expected
    assert type(found) is type(expected)


@pytest.fixture
def tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The machine's clock shows Tokyo's time."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("tokyo")
@pytest.mark.parametrize("value", [1_741_168_800, "2025-03-05T10:00:00"])
def test_the_zone_of_the_machine_says_nothing_about_a_time(value: Any) -> None:
    assert cast(value, "time") == "2025-03-05T10:00:00.000000Z"


@pytest.mark.parametrize(
    ("value", "kind"),
    [("12.5", "int"), (1.5, "int"), ("", "int"), ("much", "number"), ({}, "text"), ("maybe", "boolean"), ("soon", "time"), (True, "time"),
     (None, "time"), (10**30, "time"), ([], "boolean")],
)  # fmt: skip
def test_a_cast_that_would_guess_is_refused(value: Any, kind: str) -> None:
    with pytest.raises(DoesNotFit, match="cannot be cast"):
        cast(value, kind)


def test_a_value_without_a_place_is_refused_and_what_is_not_there_needs_no_cast_and_no_removal() -> None:
    with pytest.raises(DoesNotFit, match="no place"):
        after("replace $.context.page 1")
    assert (
        after("cast $.payload.tax int", "remove $.nothing.here", "remove $.payload.lines[2]", "cast $.payload.lines[2].q int") == ORIGINAL
    )


@pytest.mark.parametrize(
    "text",
    ["", "drop $.a", "remove", "remove a", "remove $", "remove $.a 1", "cast $.a", "cast $.a money", "replace $.a", "replace $.a EUR",
     "replace $.a NaN", "patch", "patch {}", "patch [1]", 'patch [{"op": "drop", "path": "/a"}]', 'patch [{"op": "remove", "path": "a"}]',
     'patch [{"op": "add", "path": "/a"}]', 'patch [{"op": "replace", "path": "/a"}]', 'patch [{"op": "test", "path": "/a"}]',
     "patch $.a []", "remove $..a", "new_id $.a", "cast $ int", 'replace $.a "\\ud800"'],
)  # fmt: skip
def test_a_rule_that_is_spelled_wrong_is_told_before_anything_happens(text: str) -> None:
    with pytest.raises(WrongRule):
        rule_of(text)


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        ({"a": 1, "b": 2}, {"a": 1, "b": 3}, [("$.b", 2, 3)]),
        ({"a": 1}, {"b": 2}, [("$.a", 1, ...), ("$.b", ..., 2)]),
        ({"lines": [{"q": "1"}, {"q": 2}]}, {"lines": [{"q": 1}, {"q": 2}]}, [("$.lines[0].q", "1", 1)]),
        ({"lines": [1, 2, 3]}, {"lines": [0, 2, 4]}, [("$.lines[0]", 1, 0), ("$.lines[2]", 3, 4)]),
        ({"lines": [1, 2]}, {"lines": [2]}, [("$.lines", [1, 2], [2])]),
        ({"a.b": {"c d": 1}}, {"a.b": {"c d": 2}}, [('$["a.b"]["c d"]', 1, 2)]),
        ({"a": 1}, {"a": True}, [("$.a", 1, True)]),
        ({"a": 1}, {"a": 1.0}, [("$.a", 1, 1.0)]),
        ({"a": {}}, {"a": []}, [("$.a", {}, [])]),
        ({"a": []}, {"a": {}}, [("$.a", [], {})]),
        ([1], {"a": 1}, [("$", [1], {"a": 1})]),
        ({"a": [None]}, {"a": [None]}, []),
    ],
)
def test_a_person_is_shown_the_smallest_parts_that_a_fix_changes(before: Any, now: Any, told: list[tuple[str, Any, Any]]) -> None:
    assert list(differences(before, now)) == told


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "event_id", "x.y"]), inner, max_size=3),
    max_leaves=12,
)
_path = st.lists(st.sampled_from([".a", ".b", ".event_id", "[0]", "[1]", "[*]", '["x.y"]']), min_size=1, max_size=3).map(
    lambda steps: "$" + "".join(steps)
)
_kind = st.sampled_from(["int", "number", "text", "boolean", "time"])
_pointer = st.lists(st.sampled_from(["/a", "/b", "/event_id", "/0", "/-", "/x.y", ""]), max_size=3).map("".join)
_operation = st.one_of(
    st.fixed_dictionaries({"op": st.sampled_from(["add", "replace", "test"]), "path": _pointer, "value": _json}),
    st.fixed_dictionaries({"op": st.just("remove"), "path": _pointer}),
    st.fixed_dictionaries({"op": st.sampled_from(["move", "copy"]), "from": _pointer, "path": _pointer}),
)
_patch = st.lists(_operation, max_size=3).map(lambda operations: f"patch {json.dumps(operations)}")
_rule = st.one_of(
    st.tuples(_path, _json).map(lambda said: f"replace {said[0]} {json.dumps(said[1])}"),
    _path.map(lambda path: f"remove {path}"),
    st.tuples(_path, _kind).map(lambda said: f"cast {said[0]} {said[1]}"),
    st.just("new_id"),
)


@given(original=_json, text=_rule)
def test_a_rule_applied_twice_changes_no_more_than_once_unless_it_removes_an_element(original: Any, text: str) -> None:
    raw, rule = json.dumps(original).encode(), rule_of(text)
    try:
        once = fixed(raw, [rule], "q")
    except DoesNotFit:
        return
    if not (rule.verb == "remove" and isinstance(rule.steps[-1], int)):
        assert fixed(once, [rule], "q") == once


@given(text=_rule | _patch)
def test_a_rule_reads_back_from_its_own_spelling(text: str) -> None:
    assert rule_of(rule_of(text).text) == rule_of(text)


@given(raw=st.binary(max_size=80) | _json.map(lambda value: json.dumps(value).encode()), texts=st.lists(_rule | _patch, max_size=4))
def test_whatever_the_bytes_a_fix_gives_bytes_or_says_that_it_does_not_fit(raw: bytes, texts: list[str]) -> None:
    with suppress(DoesNotFit):
        assert isinstance(fixed(raw, rules_of(texts), "q"), bytes)


@given(st.text(max_size=40))
def test_whatever_is_typed_is_a_rule_or_is_told_to_be_none(text: str) -> None:
    with suppress(WrongRule):
        assert rule_of(text).verb
