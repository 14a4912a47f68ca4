"""What whoever follows ``profile-events`` from the first one knows: who holds what, where each touchpoint is, how far each customer is."""

from sys import intern
from typing import NamedTuple

import msgspec

from services.proof.folding import Said
from services.proof.profile_state import Told
from services.proof.refold import Place
from services.runtime.event_store import LOST

PROSPECT = "prospect"


class HistoryBroken(Exception):
    """Raised by ``take``: numbers of a customer or an account have a hole, so that there is nothing to go on from."""


class Counted(NamedTuple):
    """Where a touchpoint was published, and whose it is for ever. ``content``: Python's hash of its JSON, to be compared within one
    process."""

    anchor: str
    customer: str
    sequence: int
    content: int

    def agrees(self, other: "Counted") -> bool:
        """Whether both say the same of the same identifier."""
        return self.content == other.content and self.anchor == other.anchor


class Refused(NamedTuple):
    """Where a refusal was published; ``content`` as above, of what it says."""

    partition: str
    sequence: int
    content: int


class _Held(msgspec.Struct, gc=False):
    type: str
    value: str
    id: str


class _Message(msgspec.Struct, tag_field="event", gc=False):
    customer_id: str


class _EventId(msgspec.Struct, gc=False):
    event_id: str


class _Applied(_Message, tag="touchpoint_applied", gc=False):
    anchor: str
    joined: list[_Held]
    touchpoint: msgspec.Raw


class _Merged(_Message, tag="customers_merged", gc=False):
    identifiers: list[_Held]


class _MergedInto(_Message, tag="customer_merged_into", gc=False):
    survivor: str


class _Joined(_Message, tag="identifiers_joined", gc=False):
    identifiers: list[_Held]


class _Left(_Message, tag="identifiers_left", gc=False):
    holder: str
    identifiers: list[_Held]


class _Refused(_Message, tag="link_refused", gc=False):
    anchor: _Held
    refused: _Held
    reason: str


class _Lifecycle(_Message, tag="lifecycle_changed", gc=False):
    after: str
    effective_at: str


class _Quarantined(msgspec.Struct, gc=False):
    quarantine_id: str
    reason: str
    path: str
    original: str
    encoding: str
    topic: str
    partition: int
    offset: int


_message = msgspec.json.Decoder(_Applied | _Merged | _MergedInto | _Joined | _Left | _Refused | _Lifecycle).decode
_event_id = msgspec.json.Decoder(_EventId).decode
_quarantined = msgspec.json.Decoder(_Quarantined).decode


class PublishedProfiles:
    """Everything by id: customers in ``last`` (their sequence), ``lifecycle`` (and since when) and ``merged_into``; identifiers in
    ``holder`` and ``names`` (type and value); touchpoints in ``counted``, the latest also in ``fresh`` until it is cleared.
    ``lifecycles``: customer → each sequence at which that changed, and what it was from then on.
    ``refused``: quarantine_id → its event; ``refusals``: partition → how many. ``unlinked``: the two identifiers of each link that
    was ever refused, the anchor first → why."""

    def __init__(self) -> None:
        self.last: dict[str, int] = {}
        self.holder: dict[str, str] = {}
        self.names: dict[str, tuple[str, str]] = {}
        self.lifecycle: dict[str, tuple[str, str]] = {}
        self.lifecycles: dict[str, list[tuple[int, str]]] = {}
        self.merged_into: dict[str, str] = {}
        self.counted: dict[str, Counted] = {}
        self.fresh: set[str] = set()
        self.refused: dict[str, Refused] = {}
        self.refusals: dict[str, int] = {}
        self.unlinked: dict[tuple[str, str], str] = {}
        self.conflicting: set[Place] = set()

    def take(self, event: Said) -> None:
        """The next one. Raises HistoryBroken, msgspec.MsgspecError."""
        if event.type == LOST:
            return
        if event.type == "quarantined":
            self._refuse(event)
            return
        message = _message(event.state)
        id = intern(message.customer_id)
        if event.version != self.last.get(id, 0) + 1:
            raise HistoryBroken(f"customer {id} goes from sequence {self.last.get(id, 0)} to {event.version}")
        self.last[id] = event.version
        if isinstance(message, _Applied):
            counted = Counted(intern(message.anchor), id, event.version, hash(bytes(message.touchpoint)))
            self._count(_event_id(message.touchpoint).event_id, counted)
            self._hold(id, message.joined)
        elif isinstance(message, _Merged | _Joined):
            self._hold(id, message.identifiers)
        elif isinstance(message, _Left):
            self._hold(message.holder, message.identifiers)
        elif isinstance(message, _MergedInto):
            self.merged_into[id] = message.survivor
            self.lifecycle.pop(id, None)
            self.lifecycles.setdefault(id, []).append((event.version, PROSPECT))
        elif isinstance(message, _Lifecycle):
            self.lifecycle[id] = message.after, message.effective_at
            self.lifecycles.setdefault(id, []).append((event.version, message.after))
        elif isinstance(message, _Refused):
            self.unlinked[message.anchor.id, message.refused.id] = message.reason

    def stage_of_life(self, customer: str) -> str:
        return self.lifecycle.get(customer, (PROSPECT, ""))[0]

    def told(self, customer: str) -> Told:
        """What its events say of it."""
        return Told(self.last.get(customer, 0), self.lifecycles.get(customer, ()))

    def placed(self, event_id: str, value: bytes) -> bytes:
        """The row by which a repeat is known, with where it was published instead of where another store has it; empty where it was
        not."""
        counted = self.counted.get(event_id)
        return value[:8] + bytes.fromhex(counted.customer.replace("-", "")) + counted.sequence.to_bytes(8, "big") if counted else b""

    def living(self) -> set[str]:
        """Customers that hold something."""
        return set(self.holder.values())

    def _count(self, event_id: str, counted: Counted) -> None:
        self.counted[event_id] = counted
        self.fresh.add(event_id)

    def _hold(self, customer: str, identifiers: list[_Held]) -> None:
        for one in identifiers:
            known = intern(one.id)
            self.holder[known] = customer
            self.names[known] = one.type, one.value
        if identifiers:
            self.merged_into.pop(customer, None)

    def _refuse(self, event: Said) -> None:
        said = _quarantined(event.state)
        partition = f"{said.topic}:{said.partition}"
        if event.version != self.refusals.get(partition, 0) + 1:
            raise HistoryBroken(f"what was refused of {partition} goes from {self.refusals.get(partition, 0)} to {event.version}")
        self.refusals[partition] = event.version
        content = hash((said.reason, said.path, said.original, said.encoding))
        self.refused[said.quarantine_id] = Refused(str(event.originator), event.version, content)
        if said.reason == "conflicting_duplicate":
            self.conflicting.add((said.topic, said.partition, said.offset))


class FoldedProfiles(PublishedProfiles):
    """What would be known if the fold of the log were published, beside what was (``said``). Of touchpoints that were published just so it
    knows only how many ``agreed``."""

    def __init__(self, said: PublishedProfiles) -> None:
        super().__init__()
        self._said, self.agreed = said, 0

    def _count(self, event_id: str, counted: Counted) -> None:
        said = self._said.counted.get(event_id)
        if said is not None and said.agrees(counted):
            self.agreed += 1
        else:
            self.counted[event_id] = counted
