"""One customer out of its latest snapshot as it was published, in the words of the view ``customers``.

Asking the view says the same, in five times the time: a test compares them.
"""

from dataclasses import fields
from datetime import UTC, datetime, timedelta
from decimal import ROUND_DOWN, Decimal

import msgspec

from services.projections.answers import Customer
from services.projections.messages import Profile
from services.projections.tables import customers

_decode = msgspec.json.Decoder(Profile).decode
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MONEY = ("gross", "refunded", "net", "average_order")
_TIMES = ("first_seen_at", "last_seen_at", "first_order_at", "last_order_at", "as_of")
_CENT = Decimal("0.01")
_FIELDS = [field.name for field in fields(Customer)]


def customer_of(published: str) -> Customer | None:
    """None where it lives on in another customer, or holds no identifier any more."""
    profile = _decode(published)
    if profile.merged_into or not profile.identifiers:
        return None
    (row,) = customers.to_rows(0, profile)
    shown = dict(zip(customers.TABLE.columns, row, strict=True)) | {"customer_id": profile.customer_id}
    shown |= {name: _major(shown[f"{name}_minor"], shown["divisor"]) for name in _MONEY}
    shown |= {name: _moment(shown[name]) for name in _TIMES}
    return Customer(**{name: shown[name] for name in _FIELDS})


def _major(minor: int, divisor: int) -> Decimal:
    """As the view divides: two places, the rest cut off."""
    return (Decimal(minor) / divisor).quantize(_CENT, ROUND_DOWN)


def _moment(micros: int | None) -> datetime | None:
    return None if micros is None else _EPOCH + timedelta(microseconds=micros)
