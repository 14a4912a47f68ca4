"""Customers in memory: loaded in bulk for a batch, kept for the next ones, written back when they changed.

Rows in the store, all MessagePack: ``identifiers`` (key → id of its linked set), ``linked_sets``, ``customers`` (id → state),
``facts`` (anchor's id → what is known by it). The first two are written whenever they change. The last two are written
together, every few events of a customer (the more it has, the more rarely) and whenever identifiers move: they are as of the
customer's ``sequence``, and its events after that say the rest (``replay``).
"""

from collections.abc import Callable, Collection, Iterable
from functools import lru_cache
from typing import Any
from uuid import NAMESPACE_OID, UUID

import msgspec

from services.profile.facts import Facts, take
from services.profile.identity import LinkedSet, Member
from services.profile.replay import replay
from services.runtime.event_store import EventStore

KINDS = ("identifiers", "linked_sets", "customers", "facts")
SAVE_EVERY = 8
"""A customer's state is written after so many events: more often costs writing, more rarely costs reading them again."""
SAVE_SHARE = 8
"""And once its history grew by one part in so many, since what is written grows with it: so an event costs the same after many others."""

_pack = msgspec.msgpack.Encoder().encode
_unpack_set = msgspec.msgpack.Decoder(LinkedSet).decode
_unpack_facts = msgspec.msgpack.Decoder(Facts).decode
text_of: Callable[[UUID], str] = lru_cache(maxsize=400_000)(str)


class CustomerRow(msgspec.Struct, array_like=True):
    """A customer's own state: what neither its identifiers nor its facts say.

    ``key`` is the identifier that the id derives from; it leads to the linked set. ``merged_into`` is where it went.
    ``due_ms`` is when its lifecycle is looked at again; it may have moved on since.
    """

    id: str
    key: str
    sequence: int = 0
    lifecycle: str = "prospect"
    merged_into: str | None = None
    due_ms: int | None = None


class Customer(CustomerRow):
    """The same in memory. ``saved`` is the sequence at which it and its facts were last written; ``unsaved`` are the anchors
    whose facts have grown since; ``uuid`` is its id once more."""

    saved: int = 0
    unsaved: list[str] = []
    uuid: UUID = NAMESPACE_OID

    def __post_init__(self) -> None:
        self.uuid = UUID(self.id)


_unpack_customer = msgspec.msgpack.Decoder(CustomerRow).decode


class Customers:
    """Two generations of everything in use, and what changed since ``changes`` was last called.

    ``save_every``: see SAVE_EVERY; 1 writes a customer's state after each of its events, however many it has.

    One object for each linked set, customer and anchor, whichever way it was found: they are changed in place. Not
    thread-safe; reads the store and never writes it.
    """

    def __init__(self, store: EventStore, remember: int, save_every: int = SAVE_EVERY) -> None:
        self._store, self._remember, self._save_every = store, remember, save_every
        self.forget()

    def forget(self) -> None:
        """Drops everything: the store may know better."""
        self.sets: dict[str, LinkedSet] = {}
        self._old_sets: dict[str, LinkedSet] = {}
        self.by_id: dict[str, Customer] = {}
        self._old_by_id: dict[str, Customer] = {}
        self.facts: dict[str, Facts] = {}
        self._old_facts: dict[str, Facts] = {}
        self._changed_keys: dict[str, str] = {}
        self._changed_sets: dict[str, LinkedSet | None] = {}
        self._begun: dict[str, Customer] = {}
        self._to_save: dict[str, Customer] = {}

    def age(self) -> None:
        """Starts a new generation when the young one is full. Call it between batches only, after ``changes``."""
        if len(self.by_id) >= self._remember:
            self._old_sets, self.sets = self.sets, {}
            self._old_by_id, self.by_id = self.by_id, {}
            self._old_facts, self.facts = self.facts, {}

    # ---- loading

    def load_for(self, keys: Collection[str]) -> None:
        """Brings the linked sets of these identifiers into memory, with their living customers and all their facts."""
        absent = [key for key in keys if key not in self.sets and not self._promoted(key)]
        if not absent:
            return
        ids = {value.decode() for value in self._store.rows("identifiers", absent).values()}
        loaded = [_unpack_set(value) for value in self._store.rows("linked_sets", ids).values()] if ids else []
        for one in loaded:
            self.hold_set(one)
        self._load_members([member for one in loaded for member in one.members.values()])

    def load_customers(self, ids: Collection[str]) -> None:
        """Brings these customers into memory, and the linked sets that they are in."""
        self._find(ids)
        self.load_for({customer.key for id in ids if (customer := self.by_id.get(id))})

    def begin(self, id: str, key: str) -> Customer:
        """A customer of whom the store knows nothing."""
        found = self.by_id[id] = self._begun[id] = Customer(id, key)
        return found

    def customer(self, id: str, key: str) -> Customer:
        """That customer; a new one, with the identifier that its id derives from, where there never was one."""
        found = self.by_id.get(id)
        if found is None:
            self._find([id])
            found = self.by_id.get(id)
        return found or self.begin(id, key)

    def known(self, ids: Collection[str]) -> list[Customer]:
        """Those of these ids that are, or were, customers."""
        self._find(ids)
        return [customer for id in ids if (customer := self.by_id.get(id))]

    def held_by(self, customer: Customer) -> list[Member]:
        """The identifiers that the customer holds; none where it was merged."""
        if customer.key not in self.sets:
            self.load_for([customer.key])
        return [member for member in self.sets[customer.key].members.values() if member.customer == customer.id]

    def known_of(self, members: Iterable[Member]) -> list[Facts]:
        """What is known by these identifiers: of those that are anchors."""
        return [self.facts[member.id] for member in members if member.anchored]

    def take(self, customer: Customer, anchor: str, touchpoint: Any, payload: Any) -> None:
        """Adds a touchpoint of the customer's to its anchor's facts."""
        facts = self.facts.get(anchor)
        if facts is None:
            facts = self.facts[anchor] = Facts()
        customer.unsaved.append(anchor)
        take(facts, touchpoint, payload)

    def hold_set(self, one: LinkedSet) -> None:
        """Makes this the one object for all its members."""
        for key in one.members:
            self.sets[key] = one

    def _promoted(self, key: str) -> bool:
        """Brings a linked set from the old generation into the young one, with all that came with it."""
        one = self._old_sets.get(key)
        if one is None:
            return False
        self.hold_set(one)
        for member in one.members.values():
            if member.customer not in self.by_id:
                self.by_id[member.customer] = self._old_by_id[member.customer]
            if member.anchored and member.id not in self.facts:
                self.facts[member.id] = self._old_facts[member.id]
        return True

    def _load_members(self, members: Collection[Member]) -> None:
        """What the store knows of the members of sets that were not in memory: their customers, their facts, what came after."""
        customers = self._rows_of({member.customer for member in members})
        self.by_id.update(customers)
        stored = self._store.rows("facts", [member.id for member in members if member.anchored])
        self.facts.update((anchor, _unpack_facts(value)) for anchor, value in stored.items())
        for event in self._store.events_since({customer.uuid: customer.saved for customer in customers.values()}):
            replay(customers[str(event.originator)], self.facts, event)

    def _find(self, ids: Collection[str]) -> None:
        """Customers without what is known of them: enough for one that holds no identifier, since such a one is always saved."""
        absent = []
        for id in ids:
            if id in self.by_id:
                continue
            if (customer := self._old_by_id.get(id)) is not None:
                self.by_id[id] = customer
            else:
                absent.append(id)
        if absent:
            self.by_id.update(self._rows_of(absent))

    def _rows_of(self, ids: Collection[str]) -> dict[str, Customer]:
        rows = (_unpack_customer(value) for value in self._store.rows("customers", ids).values())
        return {
            row.id: Customer(row.id, row.key, row.sequence, row.lifecycle, row.merged_into, row.due_ms, saved=row.sequence) for row in rows
        }

    # ---- what changed

    def set_changed(self, one: LinkedSet) -> None:
        """The set is to be written, and every member that was in another set, or in none, to be pointed at it."""
        self._changed_sets[one.id] = one
        for key in one.members:
            if self.sets.get(key) is not one:
                self.sets[key] = one
                self._changed_keys[key] = one.id

    def set_gone(self, id: str) -> None:
        """The set went into others."""
        self._changed_sets[id] = None

    def customer_changed(self, customer: Customer, save: bool) -> None:
        """Something was said about the customer; ``save`` where its events alone would not bring it all back."""
        if save or self._has_grown(customer.sequence - customer.saved, customer.saved):
            self._to_save[customer.id] = customer

    def unsaved(self) -> list[str]:
        """Customers in memory that have events which their rows do not know of."""
        both = {**self._old_by_id, **self.by_id}
        return [customer.id for customer in both.values() if customer.sequence > customer.saved]

    def save(self, ids: Collection[str]) -> None:
        """Their rows are to be written, whatever was said about them."""
        self.load_customers(ids)
        self._to_save.update((id, self.by_id[id]) for id in ids)

    def _has_grown(self, events: int, saved: int) -> bool:
        return events >= self._save_every and (self._save_every == 1 or events * SAVE_SHARE >= saved)

    def changes(self) -> dict[str, dict[str, bytes | None]]:
        """The rows to write for what changed since the last call."""
        saved = self._to_save.values()
        anchors = {anchor: self.facts[anchor] for customer in saved for anchor in customer.unsaved}
        stored = [CustomerRow(one.id, one.key, one.sequence, one.lifecycle, one.merged_into, one.due_ms) for one in saved]
        begun = [CustomerRow(one.id, one.key) for one in self._begun.values() if one.id not in self._to_save]
        rows: dict[str, dict[str, bytes | None]] = {
            "identifiers": {key: id.encode() for key, id in self._changed_keys.items()},
            "linked_sets": {id: _pack(one) if one else None for id, one in self._changed_sets.items()},
            "customers": {row.id: _pack(row) for row in (*stored, *begun)},
            "facts": {anchor: _pack(facts) for anchor, facts in anchors.items()},
        }
        for customer in saved:
            customer.saved, customer.unsaved = customer.sequence, []
        self._changed_keys, self._changed_sets, self._begun, self._to_save = {}, {}, {}, {}
        return {kind: changed for kind, changed in rows.items() if changed}
