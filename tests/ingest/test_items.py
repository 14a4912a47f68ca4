"""How a body is taken apart."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest import items
from services.ingest.items import TooMany, Unparsable, split


def test_one_object_however_it_is_laid_out_is_one_item() -> None:
    pretty = json.dumps({"a": {"b": [1, 2]}}, indent=2).encode()
    assert split(b" \n" + pretty + b"\n", "application/json", 10) == [pretty]


def test_the_items_of_an_array_are_the_bytes_that_came() -> None:
    assert split(b'[ {"a": 1.10} , "x",[1,2] ]', "application/json", 10) == [b'{"a": 1.10}', b'"x"', b"[1,2]"]


@pytest.mark.parametrize("content_type", ["application/x-ndjson", "application/jsonl; charset=utf-8", "application/json", "text/plain"])
def test_lines_of_objects_are_items_whatever_the_content_type_says(content_type: str) -> None:
    assert split(b'{"a":1}\r\n\r\n {"b":2} \n', content_type, 10) == [b'{"a":1}', b'{"b":2}']


def test_a_broken_line_of_ndjson_stays_an_item_of_its_own() -> None:
    assert split(b'{"a":1}\n{"b":\n{"c":3}', "application/x-ndjson", 10) == [b'{"a":1}', b'{"b":', b'{"c":3}']


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "empty"),
        (b" \n ", "empty"),
        (b'"text"', "neither"),
        (b'{"a": NaN}', "byte 6"),
        (b'[{"a":1},', r"ends too early \(byte 9\)"),
        (b'{"a":', r"ends too early \(byte 5\)"),
        (b'[{"a":1}] x', "trailing"),
        (b'{\n "a": 1,\n "b": \n}', "byte"),
        ('{"a":1}'.encode("utf-16"), "neither"),
    ],
)
def test_what_is_no_json_is_refused_whole_with_its_place(body: bytes, words: str) -> None:
    with pytest.raises(Unparsable, match=words):
        split(body, "application/json", 10)


@pytest.mark.parametrize("body", [b"[0,0,0]", b'{"a":1}\n{"a":1}\n{"a":1}'])
def test_more_items_than_one_request_may_have_are_refused(body: bytes) -> None:
    assert len(split(body, "", 3)) == 3
    with pytest.raises(TooMany, match="more than 2"):
        split(body, "", 2)


def test_one_element_nested_ten_thousand_deep_leaves_the_others_whole() -> None:
    deep = b"[" * 10_000 + b"]" * 10_000
    assert split(b'[{"a":"]"}, ' + deep + b' ,{"b":"\\"["}]', "", 10) == [b'{"a":"]"}', deep, b'{"b":"\\"["}']


def test_a_deep_array_without_an_end_is_refused() -> None:
    with pytest.raises(Unparsable, match="no end"):
        split(b"[" * 10_000, "", 10)
    with pytest.raises(Unparsable, match="follows"):
        split(b"[" * 10_000 + b"]" * 10_000 + b",1", "", 10)


def test_millions_of_tiny_elements_are_refused_without_being_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(items, "MANY_COMMAS", 100)
    with pytest.raises(TooMany):
        split(b"[" + b"0," * 200 + b"0]", "", 10)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(values=st.lists(json_values, max_size=6), spaces=st.sampled_from(["", " ", "\n"]))
def test_the_careful_scan_and_the_fast_reader_see_the_same_elements(values: list[object], spaces: str) -> None:
    body = f"[{spaces}{f'{spaces},{spaces}'.join(json.dumps(value) for value in values)}{spaces}]".encode()
    fast = split(body, "", 10)
    scanned = [element for element in items._scanned(body) if values]
    assert scanned == fast == [json.dumps(value).encode() for value in values]


@given(body=st.binary(max_size=60) | st.text(alphabet='[]{},:"\\ 0aé\n', max_size=40).map(str.encode))
def test_whatever_bytes_come_they_are_split_or_refused(body: bytes) -> None:
    try:
        found = split(body, "application/json", 5)
    except (Unparsable, TooMany):
        return
    assert len(found) <= 5
    assert all(item in body for item in found)
