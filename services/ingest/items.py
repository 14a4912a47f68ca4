"""Takes the body of a request apart into its items, as the bytes they came in: one object, an array, or NDJSON."""

import re
from collections.abc import Iterator
from io import BytesIO

import msgspec

from schemas.reading import json_mistake

WHITESPACE = b" \t\r\n"
MANY_COMMAS = 500_000
"""Past this an array is scanned piece by piece, so that millions of tiny items are never in memory at once."""

_array = msgspec.json.Decoder(list[msgspec.Raw])
_one = msgspec.json.Decoder(msgspec.Raw)
_token = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|["\[\]{},]', re.DOTALL)
_is_ndjson = re.compile(r"ndjson|jsonl|json-lines|json-seq").search


class Unparsable(Exception):
    """Raised for a body that is no JSON at all. Nothing of the request is kept; the answer is 400 with these words."""


class TooMany(Exception):
    """Raised for a body with more items than one request may have. Nothing is kept; the answer is 413."""


def split(body: bytes, content_type: str, most: int) -> list[bytes]:
    """The items of a request in their order. Raises Unparsable or TooMany.

    NDJSON is known by its content type, or by a first line that is a whole JSON object with another after it.
    """
    body = body.removeprefix(b"\xef\xbb\xbf").strip(WHITESPACE)
    if not body:
        raise Unparsable("the body is empty: send a touchpoint, an array of them, or NDJSON")
    if _is_ndjson(content_type):
        return _bounded(_lines(body), most)
    if body[:1] == b"[":
        return _bounded(_elements(body), most)
    if body[:1] != b"{":
        raise Unparsable("the body begins neither with { nor with [ (byte 0): send a touchpoint, an array of them, or NDJSON")
    return _object_or_lines(body, most)


def parse_object(body: bytes) -> msgspec.Raw:
    """Checks that the bytes are one JSON value. Raises Unparsable with the position."""
    try:
        return _one.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Unparsable(json_mistake(error, body)) from error


def _object_or_lines(body: bytes, most: int) -> list[bytes]:
    try:
        _one.decode(body)
    except RecursionError:
        return [body]
    except msgspec.DecodeError as error:
        first, newline, _ = body.partition(b"\n")
        if newline and _is_json(first):
            return _bounded(_lines(body), most)
        raise Unparsable(json_mistake(error, body)) from error
    return [body]


def _is_json(line: bytes) -> bool:
    try:
        _one.decode(line)
    except RecursionError:
        return True
    except msgspec.DecodeError:
        return False
    return True


def _lines(body: bytes) -> Iterator[bytes]:
    return (line for each in BytesIO(body) if (line := each.strip(WHITESPACE)))


def _elements(body: bytes) -> Iterator[bytes]:
    if body.count(b",") > MANY_COMMAS:
        return _scanned(body)
    try:
        return map(bytes, _array.decode(body))
    except RecursionError:
        return _scanned(body)
    except msgspec.DecodeError as error:
        raise Unparsable(json_mistake(error, body)) from error


def _scanned(body: bytes) -> Iterator[bytes]:
    """The elements of an array however deep they nest: only brackets, commas and strings are looked at, the rest is
    checked where each element is read."""
    level, start = 0, 1
    for token in _token.finditer(body):
        char = token.group()
        if char in (b"[", b"{"):
            level += 1
        elif char in (b"]", b"}"):
            level -= 1
        elif char == b'"':
            raise Unparsable(f"a text that begins at byte {token.start()} has no end")
        if (level == 0) or (level == 1 and char == b","):
            yield body[start : token.start()].strip(WHITESPACE)
            start = token.end()
        if level == 0:
            break
    if level or start != len(body):
        raise Unparsable(f"the array has no end, or something follows it (byte {start})")


def _bounded(items: Iterator[bytes], most: int) -> list[bytes]:
    taken: list[bytes] = []
    for item in items:
        if len(taken) == most:
            raise TooMany(f"more than {most} items: split them over several requests")
        taken.append(item)
    return taken
