"""Identifiers, normalised by type, and the customer id that each one derives."""

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from hashlib import blake2b
from typing import Any

import msgspec
import phonenumbers
from email_validator import EmailNotValidError, validate_email

from schemas.compiled import struct_of
from schemas.profile_events import HeldIdentifier

Held = struct_of(HeldIdentifier)


class Name(msgspec.Struct, order=True, frozen=True, gc=False):
    """A normalised identifier. ``key`` is ``type:value``; ``id`` is derived from it and never changes. Names sort by strength.

    ``held`` is the same as it is published.
    """

    rank: int
    key: str
    id: str
    type: str
    value: str
    held: Any = None


@dataclass(frozen=True)
class IdentityPolicy:
    """Which identifiers are strong, how many one customer may hold, and which values identify nobody."""

    key: bytes = b"rapport"
    default_region: str = "US"
    regions: Mapping[str, str] | None = None
    priority: Sequence[str] = ("customer_id", "loyalty_card", "email", "phone", "handle", "device", "anonymous_id")
    limits: Mapping[str, int] | None = None
    partner_limit: int = 10
    blocked: frozenset[str] = frozenset()

    def rank(self, kind: str) -> int:
        """The smaller, the stronger. A type that the list does not name comes just before the last one named."""
        return self._ranks.get(kind, 2 * len(self.priority) - 3)

    @cached_property
    def _ranks(self) -> dict[str, int]:
        return {kind: 2 * place for place, kind in enumerate(self.priority)}

    def region(self, source: str) -> str:
        """The region of a telephone number without a country code."""
        return (self.regions or {}).get(source, self.default_region)


class Names:
    """Normalises identifiers, remembering the latest, since normalising one takes as long as a whole touchpoint.

    Not thread-safe. Holds at most twice ``remember`` entries.
    """

    def __init__(self, policy: IdentityPolicy, remember: int = 400_000) -> None:
        self._policy, self._remember = policy, remember
        self._blocked = frozenset(_folded(value) for value in policy.blocked)
        self._young: dict[tuple[str, str, str], Name | None] = {}
        self._old: dict[tuple[str, str, str], Name | None] = {}

    def of(self, kind: str, value: str, region: str) -> Name | None:
        """The identifier, or None where its value is blocked or is none of its type."""
        asked = (kind, value, region)
        try:
            return self._young[asked]
        except KeyError:
            pass
        name = self._old[asked] if asked in self._old else self._made(kind, value, region)
        if len(self._young) >= self._remember:
            self._old, self._young = self._young, {}
        self._young[asked] = name
        return name

    def _made(self, kind: str, value: str, region: str) -> Name | None:
        normal = normalised(kind, value, region)
        if normal is None or (self._blocked and (normal in self._blocked or _folded(value) in self._blocked)):
            return None
        key = f"{kind}:{normal}"
        return Name(
            self._policy.rank(kind), key, id := derived_id(key, self._policy.key), kind, normal, Held(type=kind, value=normal, id=id)
        )


def derived_id(key: str, secret: bytes) -> str:
    """The customer id of an identifier: BLAKE2b keyed by the installation, in the form of a UUID."""
    digest = blake2b(key.encode(), digest_size=16, key=secret[:64]).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:]}"


def normalised(kind: str, value: str, region: str) -> str | None:
    """The one spelling of a value of this type; None where it is none."""
    text = value.strip() if value.isascii() else unicodedata.normalize("NFKC", value).strip()
    return _NORMALISERS.get(kind, _as_it_is)(text, region) or None


def _folded(value: str) -> str:
    return unicodedata.normalize("NFKC", value).strip().casefold()


_plain_email = re.compile(
    r"^[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*@(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,24}$"
)


def _email(text: str, _: str) -> str | None:
    """Case and Unicode folded; dots and +tags are left alone, since they are some providers' affair only."""
    folded = text.casefold()
    if len(folded) <= 64 and _plain_email.match(folded) and "--" not in folded:
        return folded  # what the library would say too, in a fiftieth of the time
    try:
        found = validate_email(text, check_deliverability=False, globally_deliverable=False)
    except EmailNotValidError:
        return None
    return str(found.normalized).casefold()


def _phone(text: str, region: str) -> str | None:
    """E.164. A number without a country code is one of ``region``."""
    if number := _plain_phone(text):
        return number
    try:
        parsed = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(parsed):
        return None
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


_international_form = re.compile(r"\+[1-9][0-9]*(?:[ -][0-9]+)*").fullmatch


def _plain_phone(text: str) -> str | None:
    """An international number of digits alone, as the library says it too, in a tenth of the time; None where it must be asked."""
    if not _international_form(text):
        return None
    digits = text[1:].replace(" ", "").replace("-", "")
    for size in (1, 2, 3):
        if numbering := _numbering(digits[:size]):
            lengths, has_prefix = numbering
            national = digits[size:]
            return f"+{digits}" if len(national) in lengths and national[0] != "0" and not has_prefix(national) else None
    return None


@cache
def _numbering(country_code: str) -> tuple[frozenset[int], Callable[[str], object]] | None:
    """The lengths of a country's numbers, and what finds digits at their beginning that are dialled within the country only."""
    region = phonenumbers.region_code_for_country_code(int(country_code))
    metadata = phonenumbers.PhoneMetadata.metadata_for_region(region, None)
    if metadata is None or metadata.general_desc is None:
        return None
    return frozenset(metadata.general_desc.possible_length), re.compile(metadata.national_prefix_for_parsing or "(?!)").match


_handle_form = re.compile(r"^(?:(?P<network>[^/:@\s]+)[/:])?@?(?P<name>[^@\s]+(?:@[^@\s]+)?)$")


def _handle(text: str, _: str) -> str | None:
    """``network/name``: a handle means nothing without its network, but is kept as it is where none is said."""
    match = _handle_form.match(text)
    if match is None:
        return None
    network, name = match["network"], match["name"].casefold()
    return f"{network.casefold()}/{name}" if network else name


def _as_it_is(text: str, _: str) -> str | None:
    return text


_NORMALISERS: dict[str, Callable[[str, str], str | None]] = {"email": _email, "phone": _phone, "handle": _handle}
