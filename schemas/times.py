"""The one spelling of a moment: UTC, RFC 3339, always with six decimals, so that text order is time order.

>>> canonical("2025-01-02T03:04:05+01:00")
'2025-01-02T02:04:05.000000Z'
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
CANONICAL_PATTERN = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$"
_MICROSECOND = timedelta(microseconds=1)


def canonical(text: str) -> str:
    """The canonical spelling of an RFC 3339 time. ValueError where it is none, or carries no time zone."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{text[:60]!r} is no time: write it as 2026-01-31T12:00:00Z") from error
    if len(text) == 27 and text[7:20:3] == "-T::." and text[26] == "Z":
        return text  # no other form that is understood has these characters in these places
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone: end it with Z or an offset such as +01:00")
    return written(moment)


def written(moment: datetime) -> str:
    """The canonical spelling of an aware datetime."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"


def parsed(text: str) -> datetime:
    """The aware datetime of a canonical (or any RFC 3339) spelling."""
    return datetime.fromisoformat(text)


def to_micros(text: str) -> int:
    """Microseconds since 1970 of a canonical time: exact, no floating point."""
    return (datetime.fromisoformat(text) - EPOCH) // _MICROSECOND


def from_micros(micros: int) -> str:
    """The canonical time of microseconds since 1970."""
    return written(EPOCH + timedelta(microseconds=micros))


@lru_cache(maxsize=4096)
def from_millis(millis: int) -> str:
    """The canonical time of milliseconds since 1970: remembered, since the records of one batch share theirs."""
    return from_micros(millis * 1000)
