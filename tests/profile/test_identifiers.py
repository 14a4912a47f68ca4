"""One person, one spelling."""

import phonenumbers
import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import given
from hypothesis import strategies as st

from services.profile.identifiers import IdentityPolicy, Names, derived_id, normalised


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("email", " Ann.Lee+shop@Example.COM ", "ann.lee+shop@example.com"),
        ("email", "ann@exämple.org", "ann@exämple.org"),
        ("email", "ann@xn--bcher-kva.example", "ann@bücher.example"),
        ("email", "Ann@Intranet", "ann@intranet"),
        ("email", "ann@", None),
        ("email", "ann", None),
        ("phone", "(202) 555-0101", "+12025550101"),
        ("phone", "+44 20 7946 0018", "+442079460018"),
        ("phone", "+1-202-555-0101", "+12025550101"),
        ("phone", "+353 1 234 5678", "+35312345678"),
        ("phone", "+49 0 30 901820", "+4930901820"),
        ("phone", "+39 06 698 1234", "+39066981234"),
        ("phone", "+1 1 202 555 0101", "+12025550101"),
        ("phone", "+7 8 495 123 45 67", "+74951234567"),
        ("phone", "call me", None),
        ("handle", "Mastodon/@Ann", "mastodon/ann"),
        ("handle", "twitter:ann", "twitter/ann"),
        ("handle", "@Ann", "ann"),
        ("customer_id", " 00042 ", "00042"),
        ("customer_id", "  ", None),
        ("passport", "x1", "x1"),
    ],
)
def test_an_identifier_has_one_spelling(kind: str, value: str, expected: str | None) -> None:
    assert normalised(kind, value, "US") == expected


def test_a_number_without_a_country_code_is_of_the_sources_region() -> None:
    policy = IdentityPolicy(default_region="US", regions={"shop-berlin": "DE"})
    assert normalised("phone", "030 901820", policy.region("shop-berlin")) == "+4930901820"


@pytest.mark.parametrize("value", ["TEST@test.com", "test@test.com ", "Null", "0000000000"])
def test_a_blocked_value_identifies_nobody(value: str) -> None:
    names = Names(IdentityPolicy(blocked=frozenset(["test@test.com", "null", "0000000000"])))
    assert names.of("customer_id" if "@" not in value else "email", value, "US") is None


def test_an_id_depends_on_the_installation_and_never_changes() -> None:
    assert derived_id("customer_id:1", b"a") == derived_id("customer_id:1", b"a") != derived_id("customer_id:1", b"b")
    assert derived_id("customer_id:00042", b"rapport") == "6d31c215-62ba-6a7a-784e-d4cc0ae57029"


def test_of_a_longer_secret_64_bytes_count() -> None:
    assert derived_id("customer_id:1", b"a" * 64 + b"b") == derived_id("customer_id:1", b"a" * 64)


def test_the_latest_400_000_identifiers_are_remembered_and_those_before_the_latest_800_000_are_not() -> None:
    class Counting(Names):
        made = 0

        def _made(self, kind: str, value: str, region: str) -> None:
            self.made += 1

    names = Counting(IdentityPolicy())
    for number in range(800_001):
        names.of("customer_id", str(number), "US")
    for number in (800_000, 400_001):
        names.of("customer_id", str(number), "US")
    assert names.made == 800_001

    names.of("customer_id", "0", "US")

    assert names.made == 800_002


def test_a_small_memory_gives_the_same_names() -> None:
    small, large = Names(IdentityPolicy(), remember=1), Names(IdentityPolicy())
    for value in ("a@example.org", "b@example.org", "a@example.org", "c@example.org", "b@example.org"):
        assert small.of("email", value, "US") == large.of("email", value, "US")


@given(st.one_of(st.emails(), st.from_regex(r"[A-Za-z0-9.+_-]{1,12}@[a-z0-9.-]{1,12}\.[a-z]{1,4}", fullmatch=True)))
def test_the_short_way_for_plain_addresses_says_what_the_library_says(address: str) -> None:
    try:
        expected = validate_email(address, check_deliverability=False, globally_deliverable=False).normalized.casefold()
    except EmailNotValidError:
        expected = None
    assert normalised("email", address, "US") == expected


COUNTRIES = sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)


@given(st.sampled_from(COUNTRIES), st.text("0123456789", min_size=1, max_size=14), st.integers(1, 5), st.sampled_from(["", " ", "-"]))
def test_the_short_way_for_plain_international_numbers_says_what_the_library_says(
    country: int, national: str, place: int, between: str
) -> None:
    text = f"+{country}{between}{national[:place]}{between if national[place:] else ''}{national[place:]}"
    number = phonenumbers.parse(text) if len(national) > 1 else None
    possible = number is not None and phonenumbers.is_possible_number(number)
    expected = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164) if number and possible else None
    assert normalised("phone", text, "US") == expected
