"""The quick way to know that a live profile store holds what the fold of the log says: by bytes, and by what was read of both anyway.

It proves most customers equal in a fraction of the time that showing all their state takes (profile_state.py). Whoever it cannot
prove equal may be so all the same: then the slow way tells.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from uuid import UUID

import msgspec

from services.profile.customers import Customer, CustomerRow
from services.profile.facts import Facts
from services.profile.identity import LinkedSet
from services.profile.replay import replay
from services.proof.holders import Holders
from services.proof.profile_state import facts_shown, identity_shown, lifecycle_of
from services.proof.published_profiles import PublishedProfiles
from services.proof.rows_apart import rows_apart
from services.proof.shown import Shown, checksums, readable, unequal
from services.runtime.store_snapshot import StoreSnapshot

_set = msgspec.msgpack.Decoder(LinkedSet).decode
_facts = msgspec.msgpack.Decoder(Facts).decode
_pack = msgspec.msgpack.Encoder().encode
_customer = msgspec.msgpack.Decoder(CustomerRow).decode
SETS_A_PAGE = 2_000
NOBODY = ""


class ProfileProof:
    """``fold``, ``live``: the two stores. ``said``: what was published, whose events are in ``published``; ``folded``: what the fold
    would publish."""

    def __init__(
        self,
        fold: StoreSnapshot,
        live: StoreSnapshot,
        published: StoreSnapshot,
        said: PublishedProfiles,
        folded: PublishedProfiles,
        holders: Holders,
    ) -> None:
        self._fold, self._live, self._published = fold, live, published
        self._said, self._folded, self._holders = said, folded, holders

    def unproven(self) -> set[str]:
        """Customers that are not proven equal; an empty text for what is nobody's."""
        parts = self._history(), self._touchpoints(), self._refusals(), self._places(), self._customers(), self._identity(), self._known()
        return set().union(*parts)

    def _history(self) -> Iterator[str]:
        """The live store's events, byte by byte as they were published."""
        up_to = min(self._live.last_id(), self._published.last_id())
        apart = rows_apart(self._published.events_as_stored(up_to), self._live.events_as_stored(up_to))
        return (NOBODY for _ in apart)

    def _touchpoints(self) -> Iterator[str]:
        """Those that were published, with the fold's."""
        said, folded = self._said.counted, self._folded.counted
        for event_id, one in folded.items():
            other = said.get(event_id)
            if other is None or other.content != one.content or other.anchor != one.anchor:
                yield self._holders.of(one.anchor)
        yield from (self._holders.of(said[event_id].anchor) for event_id in said.keys() - folded.keys())

    def _refusals(self) -> Iterator[str]:
        said = {id: one.content for id, one in self._said.refused.items()}
        if said != {id: one.content for id, one in self._folded.refused.items()}:
            yield NOBODY
        counts = {partition: b"%d" % count for partition, count in self._said.refusals.items()}
        if not dict(self._live.rows("quarantines")) == dict(self._fold.rows("quarantines")) == counts:
            yield NOBODY

    def _places(self) -> Iterator[str]:
        """What repeats are known by: the fold's digests, and where those touchpoints were published."""
        rows = ((event_id, self._said.placed(event_id, value)) for event_id, value in self._fold.rows("touchpoints"))
        for event_id, _, found in rows_apart(rows, self._live.rows("touchpoints")):
            counted = self._folded.counted.get(event_id)
            if counted is not None:
                yield self._holders.of(counted.anchor)
            else:
                yield str(UUID(bytes=found[8:24])) if found and len(found) == 32 else NOBODY

    def _customers(self) -> Iterator[str]:
        """By their rows and what their events say; of those that were merged only that they are there, and whole."""
        stored = (_customer(value) for _, value in self._fold.rows("customers"))
        expected = {one.id: one.key for one in stored if one.merged_into is None}
        unseen, timers = set(self._said.last), self._live.timers()
        for id, value in self._live.rows("customers"):
            unseen.discard(id)
            row, said = readable(_customer, value), self._said.told(id)
            if row is None or row.id != id or row.sequence > said.last:
                yield self._holders.of(id)
            elif row.merged_into is None:
                now = lifecycle_of(row, said), row.key, row.due_ms
                if now != (self._folded.stage_of_life(id), expected.pop(id, None), timers.get(id)):
                    yield id
        yield from map(self._holders.of, {*expected, *unseen})

    def _identity(self) -> set[str]:
        sets = list(rows_apart(self._fold.rows("linked_sets"), self._live.rows("linked_sets")))
        keys = {key for key, *_ in rows_apart(self._fold.rows("identifiers"), self._live.rows("identifiers"))}
        wanted = [(id, value) for id, value, _ in sets if value is not None]
        found = [(id, value) for id, _, value in sets if value is not None]
        keys |= {key for _, value in (*wanted, *found) if (one := readable(_set, value)) for key in one.members}
        return unequal(checksums(self._shown(self._fold, wanted, keys)), checksums(self._shown(self._live, found, keys)))

    def _shown(self, store: StoreSnapshot, sets: Iterable[tuple[str, bytes]], keys: set[str]) -> Iterator[Shown]:
        return identity_shown(sets, store.rows_of("identifiers", keys).items(), self._holders)

    def _known(self) -> Iterator[str]:
        """What is known by each anchor of the fold, with what the live store has of it in its row and in later events."""
        wanted_rows = found_rows = 0
        sets = self._fold.rows("linked_sets")
        while page := list(islice(sets, SETS_A_PAGE)):
            members = [member for _, value in page for member in _set(value).members.values()]
            holder = {member.id: member.customer for member in members if member.anchored}
            wanted, found = self._fold.rows_of("facts", holder), self._live.rows_of("facts", holder)
            wanted_rows, found_rows = wanted_rows + len(wanted), found_rows + len(found)
            _bring_up_to_date(wanted, self._fold, self._folded, holder)
            _bring_up_to_date(found, self._live, self._said, holder)
            apart = {anchor for anchor in wanted.keys() | found.keys() if wanted.get(anchor) != found.get(anchor)}
            shown = (facts_shown({one: side[one] for one in apart & side.keys()}, self._holders) for side in (wanted, found))
            yield from unequal(*map(checksums, shown))
        if (wanted_rows, found_rows) != (self._fold.count("facts"), self._live.count("facts")):
            yield NOBODY


def _bring_up_to_date(stored: dict[str, bytes], store: StoreSnapshot, told: PublishedProfiles, holder: Mapping[str, str]) -> None:
    """Adds to those rows what the store's events say that came after they were written."""
    found = store.rows_of("customers", set(holder.values())).values()
    rows = [row for value in found if (row := readable(_customer, value)) and row.sequence < told.told(row.id).last]
    behind = {row.id: Customer(row.id, row.key, row.sequence) for row in rows}
    read = {anchor: readable(_facts, stored[anchor]) for anchor, id in holder.items() if id in behind and anchor in stored}
    facts = {anchor: known for anchor, known in read.items() if known}
    for event in store.events_since({one.uuid: one.sequence for one in behind.values()}):
        with suppress(msgspec.MsgspecError, UnicodeDecodeError, KeyError):
            replay(behind[str(event.originator)], facts, event)
    stored |= {anchor: _pack(known) for anchor, known in facts.items()}
