"""Whose a row is: who holds an identifier by the fold, or, where the fold does not know it, by what is stored."""

from collections.abc import Iterable

import msgspec

from services.profile.identity import LinkedSet
from services.proof.shown import readable

_set = msgspec.msgpack.Decoder(LinkedSet).decode


class Holders:
    """``expected`` wins, so that one wrong identifier does not make all its rows differ."""

    def __init__(self, expected: dict[str, str], found: dict[str, str]) -> None:
        self._expected, self._found = expected, found

    def of(self, identifier: str) -> str:
        """The customer that holds the identifier with that id; the id itself where nobody does."""
        return self._expected.get(identifier) or self._found.get(identifier) or identifier

    def expected(self, identifier: str) -> str | None:
        """None where the fold does not know the identifier."""
        return self._expected.get(identifier)


def held(linked_sets: Iterable[tuple[str, bytes]]) -> dict[str, str]:
    """Id of identifier → customer, of the profile stage's rows."""
    sets = (readable(_set, value) for _, value in linked_sets)
    return {member.id: member.customer for one in sets if one for member in one.members.values()}
