"""What proves a live profile store equal; the slow way is profile_state.py."""

from collections.abc import Iterable, Iterator
from uuid import UUID

import msgspec

from services.profile.customers import CustomerRow
from services.profile.identity import LinkedSet
from services.proof.anchors import anchors, known
from services.proof.profile_corrections import lost_from_the_log
from services.proof.profile_state import facts_shown, identity_shown, lifecycle_of
from services.proof.published_profiles import FoldedProfiles, PublishedProfiles
from services.proof.rows_apart import rows_apart
from services.proof.shown import Shown, checksums, readable, unequal
from services.proof.store_proof import NOBODY, StoreProof
from services.runtime.store_snapshot import StoreSnapshot

_set = msgspec.msgpack.Decoder(LinkedSet).decode
_customer = msgspec.msgpack.Decoder(CustomerRow).decode


class ProfileProof(StoreProof[PublishedProfiles, FoldedProfiles]):
    """See StoreProof."""

    def unproven(self) -> set[str]:
        self.customers = self._folded.living()
        parts = self._history(), self._touchpoints(), self._refusals(), self._places(), self._customers(), self._identity(), self._known()
        return set().union(*parts)

    def _touchpoints(self) -> Iterator[str]:
        """Those that were published, with the fold's."""
        if lost_from_the_log(self._said, self._folded):
            yield NOBODY
        for event_id, one in self._folded.counted.items():
            said = self._said.counted.get(event_id)
            if said is None or not said.agrees(one):
                yield self.holders.of(one.anchor)

    def _refusals(self) -> Iterator[str]:
        said, folded = self._said, self._folded
        if {id: one.content for id, one in said.refused.items()} != {id: one.content for id, one in folded.refused.items()}:
            yield NOBODY
        counts = {partition: b"%d" % count for partition, count in said.refusals.items()}
        if said.refusals != folded.refusals or dict(self.live.rows("quarantines")) != counts:
            yield NOBODY

    def _places(self) -> Iterator[str]:
        """What repeats are known by."""
        expected = ((event_id, self._said.placed(event_id, value)) for event_id, value in self.fold.rows("touchpoints"))
        for event_id, *values in rows_apart(expected, self.live.rows("touchpoints")):
            counted = self._said.counted.get(event_id)
            places = [value[8:24] for value in values if value and len(value) == 32]
            yield from [self.holders.of(counted.anchor)] if counted else [str(UUID(bytes=place)) for place in places] or [NOBODY]

    def _customers(self) -> Iterator[str]:
        """By their rows and what their events say; of those that were merged only that they are there, and whole."""
        keys = {id: _customer(value).key for id, value in self.fold.rows("customers")}
        expected = {id: keys.get(id) for id in self._folded.living()}
        unseen, timers = set(self._said.last), self.live.timers()
        for id, value in self.live.rows("customers"):
            unseen.discard(id)
            row, said = readable(_customer, value), self._said.told(id)
            if row is None or row.id != id or row.sequence > said.last:
                yield self.holders.of(id)
            elif row.merged_into is None:
                now = lifecycle_of(row, said), row.key, row.due_ms
                if now != (self._folded.stage_of_life(id), expected.pop(id, None), timers.get(id)):
                    yield id
        yield from map(self.holders.of, {*expected, *unseen})

    def _identity(self) -> set[str]:
        sets = list(rows_apart(self.fold.rows("linked_sets"), self.live.rows("linked_sets")))
        keys = {key for key, *_ in rows_apart(self.fold.rows("identifiers"), self.live.rows("identifiers"))}
        wanted = [(id, value) for id, value, _ in sets if value is not None]
        found = [(id, value) for id, _, value in sets if value is not None]
        keys |= {key for _, value in (*wanted, *found) if (one := readable(_set, value)) for key in one.members}
        return unequal(checksums(self._shown(self.fold, wanted, keys)), checksums(self._shown(self.live, found, keys)))

    def _shown(self, store: StoreSnapshot, sets: Iterable[tuple[str, bytes]], keys: set[str]) -> Iterator[Shown]:
        return identity_shown(sets, store.rows_of("identifiers", keys).items(), self.holders)

    def _known(self) -> Iterator[str]:
        """What is known by each anchor."""
        unseen = {anchor for anchor, _ in self.live.rows("facts")}
        for holder in anchors(self.fold):
            unseen -= holder.keys()
            wanted, found = known(self.fold, self._folded, holder), known(self.live, self._said, holder)
            apart = {anchor for anchor in wanted.keys() | found.keys() if wanted.get(anchor) != found.get(anchor)}
            shown = (facts_shown({one: side[one] for one in apart & side.keys()}, self.holders) for side in (wanted, found))
            yield from unequal(*map(checksums, shown))
        yield from map(self.holders.of, unseen)
