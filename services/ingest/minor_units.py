"""Money as people write it (``19.99``) into integer minor units (``1999``), by the currency's number of decimals (ISO 4217)."""

from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import Any

from schemas.currencies import decimals


def to_minor(amount: Any, currency: str) -> int:
    """A JSON number, or a number in a text, in minor units; floating-point noise past the last decimal is rounded away.

    ValueError for anything else. A float means the shortest decimal that is equal to it: what was typed.
    """
    if isinstance(amount, bool) or not isinstance(amount, int | float | str):
        raise ValueError(f"{type(amount).__name__} is no amount of money")
    try:
        exact = Decimal(str(amount).strip())
        return int((exact.scaleb(decimals(currency))).quantize(Decimal(1), ROUND_HALF_EVEN))
    except (InvalidOperation, OverflowError, ValueError) as error:
        raise ValueError(f"{str(amount)[:40]!r} is no amount of money, or too large") from error
