"""What a profile store knows by each anchor: its rows, and what its events say that came after they were written."""

from collections.abc import Iterator, Mapping
from itertools import islice

import msgspec

from services.profile.customers import CustomerRow
from services.profile.facts import Facts
from services.profile.identity import LinkedSet
from services.proof.profile_state import add_later_events
from services.proof.published_profiles import PublishedProfiles
from services.proof.shown import readable
from services.runtime.store_snapshot import StoreSnapshot

_set = msgspec.msgpack.Decoder(LinkedSet).decode
_facts = msgspec.msgpack.Decoder(Facts).decode
_pack = msgspec.msgpack.Encoder().encode
_customer = msgspec.msgpack.Decoder(CustomerRow).decode
SETS_A_PAGE = 2_000


def anchors(store: StoreSnapshot) -> Iterator[dict[str, str]]:
    """Anchor → the customer that holds it, in pages; of a sound store. A customer's anchors are on one page."""
    sets = store.rows("linked_sets")
    while page := list(islice(sets, SETS_A_PAGE)):
        members = (member for _, value in page for member in _set(value).members.values())
        yield {member.id: member.customer for member in members if member.anchored}


def known(store: StoreSnapshot, told: PublishedProfiles, holder: Mapping[str, str]) -> dict[str, bytes]:
    """The facts of these anchors as they are now, packed. ``told``: what the store's events say. What cannot be read stays as it is."""
    stored = store.rows_of("facts", holder)
    found = store.rows_of("customers", set(holder.values())).values()
    rows = [row for value in found if (row := readable(_customer, value)) and row.sequence < told.told(row.id).last]
    behind = {row.id for row in rows}
    read = {anchor: readable(_facts, stored[anchor]) for anchor, id in holder.items() if id in behind and anchor in stored}
    facts = {anchor: one for anchor, one in read.items() if one}
    add_later_events(store, rows, facts)
    return stored | {anchor: _pack(one) for anchor, one in facts.items()}
