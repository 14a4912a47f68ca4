"""Whole days on canonical times, which are text: adding days leaves the time of day as it is.

Every duration of a programme is in days, so nothing here has to parse more than a date, and dates repeat.
"""

from datetime import date, timedelta
from functools import lru_cache

MIDNIGHT = "T00:00:00.000000Z"
FOREVER = "9999-12-31T23:59:59.999999Z"
"""Stands for "never expires" where moments are compared."""


def days_later(moment: str, days: int) -> str:
    """The same time of day, so many days later; never past FOREVER."""
    return moment if not days else _shifted(moment[:10], days) + moment[10:]


@lru_cache(maxsize=20_000)
def _shifted(day: str, days: int) -> str:
    try:
        return (date.fromisoformat(day) + timedelta(days=days)).isoformat()
    except OverflowError:
        return FOREVER[:10]


@lru_cache(maxsize=20_000)
def _number(day: str) -> int:
    return date.fromisoformat(day).toordinal()


def day_number(moment: str) -> int:
    """Days since the year 1, in UTC."""
    return _number(moment[:10])


_EPOCH_DAY = date(1970, 1, 1).toordinal()


def due_ms(moment: str) -> int:
    """The first millisecond since 1970 that is not before the moment."""
    seconds = int(moment[11:13]) * 3600 + int(moment[14:16]) * 60 + int(moment[17:19])
    micros = ((day_number(moment) - _EPOCH_DAY) * 86_400 + seconds) * 1_000_000 + int(moment[20:26])
    return -(-micros // 1000)


def birthday_in(year: int, month_day: str) -> str:
    """The start of the birthday ``MM-DD`` in that year; one on 29 February is kept a day earlier in other years."""
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return f"{year:04d}-{'02-28' if month_day == '02-29' and not leap else month_day}{MIDNIGHT}"
