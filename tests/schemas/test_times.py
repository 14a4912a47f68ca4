"""A moment has one spelling, whatever the channel's."""

import pytest

from schemas.times import canonical


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("2025-01-02T03:04:05.123456Z", "2025-01-02T03:04:05.123456Z"),
        ("2025-01-02T03:04:05Z", "2025-01-02T03:04:05.000000Z"),
        ("2025-01-02T03:04:05.1+01:00", "2025-01-02T02:04:05.100000Z"),  # as long as a canonical one
        ("2025-W01-4T03:04:05.123456Z", "2025-01-02T03:04:05.123456Z"),  # so is this
        ("2025-01-02 03:04:05.123456Z", "2025-01-02T03:04:05.123456Z"),
        ("2025-01-02T03:04:05,123456Z", "2025-01-02T03:04:05.123456Z"),
    ],
)
def test_every_spelling_of_a_moment_becomes_the_canonical_one(said: str, expected: str) -> None:
    assert canonical(said) == expected


def test_a_time_without_a_zone_is_refused_with_what_to_add() -> None:
    with pytest.raises(ValueError, match="'2025-01-02T03:04:05' has no time zone: end it with Z or an offset"):
        canonical("2025-01-02T03:04:05")


@pytest.mark.parametrize("said", ["yesterday", "2025-13-02T03:04:05Z", "1735787045"])
def test_what_is_no_moment_is_refused_with_an_example(said: str) -> None:
    with pytest.raises(ValueError, match=rf"'{said}' is no time.*write it as 2026-01-31T12:00:00Z"):
        canonical(said)
