"""Days added to moments, birthdays, and the millisecond at which something is due."""

from datetime import datetime

import pytest

from services.loyalty.moments import FOREVER, birthday_in, day_number, days_later, due_ms


@pytest.mark.parametrize(
    "moment",
    ["1970-01-01T00:00:00.000000Z", "2026-03-01T23:45:59.123000Z", "2024-02-29T10:20:30.999000Z", "2026-12-31T01:02:03.004000Z"],
)
def test_a_whole_millisecond_is_due_at_that_millisecond(moment: str) -> None:
    assert due_ms(moment) == round(datetime.fromisoformat(moment).timestamp() * 1000)


def test_a_moment_between_two_milliseconds_is_due_at_the_later_one() -> None:
    assert due_ms("1970-01-01T00:00:00.000001Z") == 1
    assert due_ms("1970-01-02T00:00:01.500999Z") == 86_401_501


def test_days_later_keeps_the_time_of_day_and_ends_with_the_calendar() -> None:
    assert days_later("2024-02-28T10:20:30.123456Z", 2) == "2024-03-01T10:20:30.123456Z"
    assert days_later("2024-02-28T10:20:30.123456Z", 0) == "2024-02-28T10:20:30.123456Z"
    assert days_later("9999-12-30T10:20:30.123456Z", 2)[:10] == FOREVER[:10]


def test_days_are_counted_in_utc() -> None:
    assert day_number("2024-03-01T00:00:00.000000Z") - day_number("2024-02-28T23:59:59.999999Z") == 2


@pytest.mark.parametrize(
    ("year", "day"), [(2023, "02-28"), (2024, "02-29"), (2000, "02-29"), (1900, "02-28"), (2100, "02-28"), (2400, "02-29")]
)
def test_who_is_born_on_29_february_has_a_birthday_every_year(year: int, day: str) -> None:
    assert birthday_in(year, "02-29") == f"{year}-{day}T00:00:00.000000Z"


def test_another_birthday_is_the_same_every_year() -> None:
    assert (birthday_in(2023, "02-28"), birthday_in(987, "12-31")) == ("2023-02-28T00:00:00.000000Z", "0987-12-31T00:00:00.000000Z")
