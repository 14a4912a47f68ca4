"""What of a touchpoint matters to loyalty: a fact, as it is kept under its anchor for ever.

Facts know nothing of the programme, so that the same facts can be folded with other rules. Fact order is (at, event_id),
which is also the order of ``fact_key`` as text.
"""

import re
from collections.abc import Callable
from datetime import date
from typing import Any

import msgspec

from schemas import touchpoints
from schemas.compiled import struct_of


class Line(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One line of an order. ``price`` of one, in minor units."""

    sku: str
    category: str | None
    quantity: int
    price: int | None


class Purchase(msgspec.Struct, frozen=True, array_like=True, tag="p", gc=False):
    """An order. Money is in minor units; ``total`` is what was paid, tax and shipping included."""

    at: str
    event_id: str
    source: str
    order_id: str
    currency: str
    total: int
    tax: int
    shipping: int
    lines: tuple[Line, ...]


class RefundLine(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One line that was given back."""

    sku: str
    amount: int


class Refund(msgspec.Struct, frozen=True, array_like=True, tag="r", gc=False):
    """Money given back: all of ``amount``, of which the lines say what for."""

    at: str
    event_id: str
    order_id: str
    refund_id: str
    currency: str
    amount: int
    lines: tuple[RefundLine, ...]


class Survey(msgspec.Struct, frozen=True, array_like=True, tag="s", gc=False):
    """An answer to a survey."""

    at: str
    event_id: str


class Birthday(msgspec.Struct, frozen=True, array_like=True, tag="b", gc=False):
    """What was said to be the birthday, ``MM-DD``; empty: taken back. The year is not kept."""

    at: str
    event_id: str
    day: str


class Redemption(msgspec.Struct, frozen=True, array_like=True, tag="x", gc=False):
    """Points spent, as it was accepted; never decided again. ``event_id`` is ``redemption:`` and the command's id."""

    at: str
    event_id: str
    points: int


def event_id_of(redemption_id: str) -> str:
    """What the ledger calls a redemption, apart from touchpoints."""
    return f"redemption:{redemption_id}"


class Adjustment(msgspec.Struct, frozen=True, array_like=True, tag="a", gc=False):
    """Points that a colleague gave (or, negative, took)."""

    at: str
    event_id: str
    points: int


Fact = Purchase | Refund | Survey | Birthday | Redemption | Adjustment

encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Fact).decode


def fact_key(fact: Fact) -> str:
    """Text that sorts in fact order."""
    return fact.at + fact.event_id


class _Traits(msgspec.Struct, gc=False):
    birthday: Any = msgspec.UNSET


class _Identify(msgspec.Struct, gc=False):
    traits: _Traits


_month_day = re.compile(r"(?:\d{4}|-)-(\d{2}-\d{2})(?:T.*)?\Z", re.DOTALL)
_purchase: Callable[[bytes], Any] = msgspec.json.Decoder(struct_of(touchpoints.Purchase)).decode
_refund: Callable[[bytes], Any] = msgspec.json.Decoder(struct_of(touchpoints.Refund)).decode
_survey: Callable[[bytes], Any] = msgspec.json.Decoder(struct_of(touchpoints.Survey)).decode
_identify = msgspec.json.Decoder(_Identify).decode


def _from_purchase(at: str, event_id: str, source: str, payload: bytes) -> Purchase:
    said = _purchase(payload)
    return Purchase(
        at,
        event_id,
        source,
        said.order_id,
        said.currency,
        said.total_minor,
        said.tax_minor or 0,
        said.shipping_minor or 0,
        tuple([Line(line.sku, line.category, line.quantity, line.unit_price_minor) for line in said.lines]),
    )


def _from_refund(at: str, event_id: str, source: str, payload: bytes) -> Refund:
    said = _refund(payload)
    lines = tuple(RefundLine(line.sku, line.amount_minor) for line in said.lines)
    return Refund(at, event_id, said.order_id, said.refund_id, said.currency, said.total_minor, lines)


def _from_survey(at: str, event_id: str, source: str, payload: bytes) -> Survey | None:
    return None if _survey(payload).score is None else Survey(at, event_id)


def _from_identify(at: str, event_id: str, source: str, payload: bytes) -> Birthday | None:
    said = _identify(payload).traits.birthday
    if said is None:
        return Birthday(at, event_id, "")
    day = birthday_of(said) if isinstance(said, str) else None
    return Birthday(at, event_id, day) if day else None


def birthday_of(text: str) -> str | None:
    """``MM-DD`` of a date, with or without year (``1980-02-29``, ``--02-29``) or time; None where it is none."""
    found = _month_day.match(text)
    if found is None:
        return None
    try:
        return date.fromisoformat("2000-" + found[1]).isoformat()[5:]
    except ValueError:
        return None


FACTS: dict[str, Callable[[str, str, str, bytes], Fact | None]] = {
    "purchase": _from_purchase,
    "refund": _from_refund,
    "survey": _from_survey,
    "identify": _from_identify,
}
"""Touchpoint type → reader of (occurred_at, event_id, source, payload as JSON of its newest version); None: nothing for loyalty.

A reader raises msgspec.ValidationError or DecodeError for a payload that is none of its type.
"""
