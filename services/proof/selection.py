"""A part of the customers, and the touchpoints that are all about them: for logs too long to fold whole."""

import random
from collections.abc import Iterable, Sequence

import msgspec

from services.profile.app import identity_policy
from services.profile.identifiers import Names
from services.profile.identity import LinkedSet
from services.proof.shown import readable
from services.runtime.settings import Settings
from services.runtime.stage import Record

_set = msgspec.msgpack.Decoder(LinkedSet).decode


class _Identifier(msgspec.Struct, gc=False):
    type: str
    value: str


class _Identified(msgspec.Struct, gc=False):
    source: str
    identifiers: list[_Identifier]


_identified = msgspec.json.Decoder(_Identified).decode


class Selection:
    """Identifiers whose touchpoints are folded. ``grew``: one of them named an identifier that was not selected, so that earlier
    touchpoints may be missing: read again from the start."""

    def __init__(self, settings: Settings, keys: Iterable[str]) -> None:
        self._identity = identity_policy(settings.identity)
        self._names = Names(self._identity, 400_000)
        self.keys = set(keys)
        self.grew = False

    def wanted(self, records: Sequence[Record]) -> list[Record]:
        """Those that name a selected identifier."""
        return [record for record in records if self._is_wanted(record)]

    def keys_of(self, records: Sequence[Record]) -> set[str]:
        """The identifiers that they name."""
        return {key for record in records for key in self._keys(record)}

    def _is_wanted(self, record: Record) -> bool:
        keys = self._keys(record)
        if self.keys.isdisjoint(keys):
            return False
        if not self.keys.issuperset(keys):
            self.keys |= keys
            self.grew = True
        return True

    def _keys(self, record: Record) -> set[str]:
        said = readable(_identified, record.value or b"")
        if said is None:
            return set()
        region = self._identity.region(said.source)
        return {name.key for one in said.identifiers if (name := self._names.of(one.type, one.value, region))}


def whole_sets(linked_sets: Iterable[tuple[str, bytes]], named: set[str]) -> set[str]:
    """All identifiers of the linked sets that hold one of those."""
    sets = (readable(_set, value) for _, value in linked_sets)
    return {key for one in sets if one and not named.isdisjoint(one.members) for key in one.members} | named


def sample(linked_sets: Iterable[tuple[str, bytes]], customers: int, seed: int) -> set[str]:
    """The identifiers of so many customers drawn by chance, with the linked sets that they are in; of all if there are no more."""
    found = [one for _, value in linked_sets if (one := readable(_set, value))]
    dice = random.Random(seed)
    dice.shuffle(found)
    keys: set[str] = set()
    drawn = 0
    for one in found:
        if drawn >= customers:
            break
        drawn += len({member.customer for member in one.members.values()})
        keys |= one.members.keys()
    return keys


def customers_of(linked_sets: Iterable[tuple[str, bytes]], keys: set[str]) -> set[str]:
    """Who holds those identifiers; also under every id that they ever had."""
    sets = (readable(_set, value) for _, value in linked_sets)
    members = [member for one in sets if one for key, member in one.members.items() if key in keys]
    return {member.customer for member in members} | {member.id for member in members}
