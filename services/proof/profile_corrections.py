"""What must still be said so that whoever follows ``profile-events`` knows what the fold of the log says: nothing where both agree.

Nothing that was published is edited: each correction is an event of the kinds that there are, with its customer's next number.
"""

from collections.abc import Callable, Collection
from uuid import UUID

from services.profile.changes import Changes
from services.profile.customers import Customer
from services.profile.identity import Member
from services.proof.published_profiles import FoldedProfiles, PublishedProfiles
from services.runtime.event_store import NewEvent

CAUSE = "rebuild"
StateOf = Callable[[str, int], bytes]
"""Originator and number of an event of the fold → its JSON."""
IsRefused = Callable[[str, str], bool]
"""Two identifiers as type:value, the anchor first → whether the fold refuses their link in the end."""


class Contradicted(Exception):
    """Raised by ``require_agreement``: no event can say what differs."""


def require_agreement(said: PublishedProfiles, folded: FoldedProfiles) -> None:
    """Raises Contradicted where the same touchpoint is another one's by the fold: only another configuration does that."""
    other = [id for id, counted in folded.counted.items() if id in said.counted and said.counted[id].anchor != counted.anchor]
    if other:
        raise Contradicted(
            f"{len(other):,} touchpoints were published under another identifier than the log gives now: was the configuration of "
            "[identity] changed? Put it back: it must never change on a living installation"
        )


def lost_from_the_log(said: PublishedProfiles, folded: FoldedProfiles) -> int:
    """How many touchpoints were published that the log does not have."""
    return len(said.counted) - folded.agreed - len(said.counted.keys() & folded.counted.keys())


def corrections(
    said: PublishedProfiles,
    folded: FoldedProfiles,
    state_of: StateOf,
    is_refused: IsRefused,
    wrong: Collection[str],
    recorded_at: str,
) -> list[NewEvent]:
    """In the order in which they are to be published. ``wrong``: customers whose snapshot may be wrong though no event was."""
    return _Corrections(said, folded, recorded_at).made(state_of, is_refused, wrong)


class _Corrections:
    def __init__(self, said: PublishedProfiles, folded: FoldedProfiles, recorded_at: str) -> None:
        self._said, self._folded = said, folded
        self._changes = Changes(recorded_at)
        self._customers: dict[str, Customer] = {}

    def made(self, state_of: StateOf, is_refused: IsRefused, wrong: Collection[str]) -> list[NewEvent]:
        self._membership()
        self._refused_links(is_refused)
        self._touchpoints(state_of)
        living = self._folded.living()
        for id in sorted(living):
            after, since = self._folded.lifecycle.get(id, ("prospect", self._changes.recorded_at))
            before = self._customers[id].lifecycle if id in self._customers else self._said.stage_of_life(id)
            if before != after:
                self._changes.lifecycle_changed(self._customer(id), after, since, CAUSE)
        held_by = self._held_by() if wrong else {}
        for id in sorted(living.intersection(wrong) - self._changes.touched.keys()):
            self._changes.restated(self._customer(id), [self._member(one) for one in held_by[id]], CAUSE)
        self._refusals(state_of)
        return self._changes.events

    def _membership(self) -> None:
        """Who holds what, as services/profile/membership.py says it."""
        groups: dict[tuple[str | None, str], list[Member]] = {}
        for id, after in self._folded.holder.items():
            if (before := self._said.holder.get(id)) != after:
                groups.setdefault((before, after), []).append(self._member(id))
        if not groups:
            return
        living, merged = self._folded.living(), []
        for (before, after), members in sorted(groups.items(), key=lambda group: (group[0][0] or "", group[0][1])):
            if before is None:
                self._changes.appeared(self._customer(after), members, CAUSE)
            elif before in living or self._folded.holder.get(before) != after:
                self._changes.moved(self._customer(before), self._customer(after), members, CAUSE)
            else:
                merged.append((before, after, members))
            self._customer(after).merged_into = None
        for before, after, members in merged:
            self._changes.merged(self._customer(after), self._customer(before), members, CAUSE)

    def _refused_links(self, is_refused: IsRefused) -> None:
        """Possible duplicates that nobody was told of. Of what the fold's events refuse, later facts may allow some: in another order
        those are never refused."""
        for pair in sorted(self._folded.unlinked.keys() - self._said.unlinked.keys()):
            anchor, refused = map(self._member, pair)
            if is_refused(f"{anchor.type}:{anchor.value}", f"{refused.type}:{refused.value}"):
                holder = self._customer(self._folded.holder[anchor.id])
                self._changes.link_refused(holder, anchor, refused, self._folded.unlinked[pair], CAUSE)

    def _touchpoints(self, state_of: StateOf) -> None:
        """Those that nobody was told of."""
        for event_id in sorted(self._folded.counted.keys() - self._said.counted.keys()):
            counted = self._folded.counted[event_id]
            holder = self._customer(self._folded.holder[counted.anchor])
            self._changes.touchpoint_again(holder, state_of(counted.customer, counted.sequence))

    def _refusals(self, state_of: StateOf) -> None:
        numbers = dict(self._said.refusals)
        for id in sorted(self._folded.refused.keys() - self._said.refused.keys()):
            originator, number, _ = self._folded.refused[id]
            partition = id.rpartition(":")[0]
            numbers[partition] = numbers.get(partition, 0) + 1
            self._changes.events.append(NewEvent(UUID(originator), numbers[partition], "quarantined", state_of(originator, number)))

    def _customer(self, id: str) -> Customer:
        found = self._customers.get(id)
        if found is None:
            said = self._said
            found = Customer(id, "", said.last.get(id, 0), said.stage_of_life(id), said.merged_into.get(id))
            self._customers[id] = found
        return found

    def _member(self, id: str) -> Member:
        type, value = self._folded.names[id]
        return Member(id, type, value, ("", ""))

    def _held_by(self) -> dict[str, list[str]]:
        held: dict[str, list[str]] = {}
        for id, customer in self._folded.holder.items():
            held.setdefault(customer, []).append(id)
        return held
