"""What two sides show of a customer, its checksum, and where they differ. Pure."""

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import msgspec

_canonical = msgspec.msgpack.Encoder(order="deterministic").encode
T = TypeVar("T")
NOTHING: dict[str, Any] = {}
MISSING = "missing"
SIXTY_FOUR_BITS = (1 << 64) - 1


class Shown(NamedTuple):
    """One row of state. ``customer`` is whom it belongs to now; empty: nobody. ``fields`` hold no history: two stores that came
    to the same state in different ways show the same."""

    customer: str
    table: str
    key: str
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Difference:
    """One field of one row. ``field`` is empty where the row as a whole is missing, or is there and should not be."""

    customer: str
    store: str
    table: str
    key: str
    field: str
    expected: Any
    found: Any


def checksums(rows: Iterable[Shown]) -> dict[str, int]:
    """By customer: the sum over its rows, whatever their order; a row that is there twice counts twice."""
    sums: dict[str, int] = {}
    for row in rows:
        digest = hashlib.blake2b(_canonical((row.table, row.key, row.fields)), digest_size=8).digest()
        sums[row.customer] = (sums.get(row.customer, 0) + int.from_bytes(digest, "big") + 1) & SIXTY_FOUR_BITS
    return sums


def unequal(expected: dict[str, int], found: dict[str, int]) -> set[str]:
    """Customers whose checksums differ, or that only one side knows."""
    return {customer for customer in expected.keys() | found.keys() if expected.get(customer) != found.get(customer)}


def differences(store: str, expected: Iterable[Shown], found: Iterable[Shown]) -> Iterator[Difference]:
    """Field by field, by customer and table. Of rows with the same key on one side the last counts."""
    left = {(row.customer, row.table, row.key): row.fields for row in expected}
    right = {(row.customer, row.table, row.key): row.fields for row in found}
    for place in sorted(left.keys() | right.keys()):
        customer, table, key = place
        if place not in right:
            yield Difference(customer, store, table, key, "", left[place], MISSING)
        elif place not in left:
            yield Difference(customer, store, table, key, "", MISSING, right[place])
        else:
            for field, wanted, is_there in _fields_apart(left[place], right[place]):
                yield Difference(customer, store, table, key, field, wanted, is_there)


def _fields_apart(expected: dict[str, Any], found: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    for field in sorted(expected.keys() | found.keys()):
        wanted, is_there = expected.get(field, MISSING), found.get(field, MISSING)
        if _canonical(wanted) != _canonical(is_there):
            yield field, wanted, is_there


def of_customers(rows: Iterable[Shown], customers: Collection[str]) -> list[Shown]:
    """Only theirs."""
    return [row for row in rows if row.customer in customers]


def readable(decode: Callable[[bytes], T], value: bytes) -> T | None:
    """None where the bytes are none of its kind: a flipped bit may do that."""
    try:
        return decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def unreadable(customer: str, table: str, key: str, value: bytes) -> Shown:
    """What is shown of bytes that say nothing."""
    return Shown(customer, table, key, {"unreadable": hashlib.blake2b(value, digest_size=8).hexdigest()})
