"""One batch of touchpoints, decided: which are new, whose they are, and what that changes."""

import logging
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any
from uuid import UUID

import msgspec

from schemas import topics
from schemas.profile_events import PROFILE_EVENTS
from schemas.reading import Unreadable, content_digest, read, said_moment
from schemas.times import from_micros, from_millis
from schemas.upcasting import upcast
from services.profile.changes import Changes
from services.profile.customers import KINDS as CUSTOMER_KINDS
from services.profile.customers import SAVE_EVERY, Customer, Customers, text_of
from services.profile.facts import together
from services.profile.identifiers import IdentityPolicy, Name, Names
from services.profile.identity import Fact, LinkedSet, Member, extended, first_seen, is_known, observe, strongest_first
from services.profile.lifecycle import LifecyclePolicy, Standing, standing
from services.profile.membership import announce
from services.profile.snapshot import merged_json, profile_json
from services.runtime.clock import Clock
from services.runtime.event_store import EventStore, Transaction
from services.runtime.stage import Message, Record

KINDS = (*CUSTOMER_KINDS, "touchpoints", "quarantines")
"""``touchpoints``: event_id → digest of its content and the event that it became; ``quarantines``: partition → how many."""

DUE_AT_ONCE = 1_000
SAVED_AT_ONCE = 10_000
log = logging.getLogger(__name__)


class Arrival(msgspec.Struct, gc=False):
    """A record that was read. ``names`` are its usable identifiers, strongest first."""

    record: Record
    touchpoint: Any
    payload: Any
    names: list[Name]


class ProfileStage:
    """See services/runtime/stage.py. ``remember``: customers kept in memory, twice; ``save_every``: see customers.py."""

    name = "profile"
    route = {**dict.fromkeys(PROFILE_EVENTS, topics.PROFILE_CHANGES.name), "quarantined": topics.QUARANTINE.name}

    def __init__(
        self,
        store: EventStore,
        identity: IdentityPolicy,
        lifecycle: LifecyclePolicy,
        clock: Clock,
        remember: int = 100_000,
        save_every: int = SAVE_EVERY,
    ) -> None:
        self._store, self._identity, self._lifecycle, self._clock = store, identity, lifecycle, clock
        self._customers = Customers(store, remember, save_every)
        self._names = Names(identity, 2 * remember)
        self._now_micros = 0

    def decide(self, records: Sequence[Record]) -> Transaction:
        transaction = Transaction()
        changes = self._begin()
        arrivals = self._unseen(self._arrivals(records, changes, transaction), changes, transaction)
        arrivals.sort(key=_happened)
        self._customers.load_for({name.key for arrival in arrivals for name in arrival.names})
        if arrivals:
            transaction.rows["touchpoints"] = {}
            transaction.outcomes["applied", ""] = len(arrivals)
        for arrival in arrivals:
            self._apply(arrival, changes, transaction)
        return self._end(changes, transaction)

    def tick(self, now_ms: int) -> Transaction | None:
        due = self._store.due(now_ms, DUE_AT_ONCE)
        if not due:
            return None
        transaction = Transaction()
        changes = self._begin()
        self._customers.load_customers(due)
        for id in due:
            customer = self._customers.by_id[id]
            customer.due_ms = None
            transaction.timers[id] = None
            self._stand(customer, "clock", changes, transaction)
            self._customers.customer_changed(customer, save=True)
        return self._end(changes, transaction)

    def snapshots(self, originators: Collection[UUID]) -> Iterable[Message]:
        ids = [text_of(originator) for originator in originators]
        self._customers.load_customers(ids)
        as_of = from_micros(self._now())
        for id in ids:
            if customer := self._customers.by_id.get(id):
                headers = (("sequence", b"%d" % customer.sequence),)
                yield Message(topics.PROFILES.name, id.encode(), self._snapshot(customer, as_of), headers)

    def forget(self) -> None:
        self._customers.forget()

    def save_all(self) -> Iterator[Transaction]:
        """Rows for all that is in memory and stands in events only, a part at a time: for whoever reads the whole store next."""
        waiting = self._customers.unsaved()
        for begin in range(0, len(waiting), SAVED_AT_ONCE):
            self._customers.save(waiting[begin : begin + SAVED_AT_ONCE])
            yield Transaction(rows=self._customers.changes())

    # ---- reading

    def _arrivals(self, records: Sequence[Record], changes: Changes, transaction: Transaction) -> list[Arrival]:
        """Those records that are touchpoints with an identifier that says who it was; the others are quarantined."""
        arrivals = []
        for record in records:
            touchpoint = None
            try:
                touchpoint, payload = read(record.value or b"", from_millis(record.timestamp))
                arrivals.append(Arrival(record, touchpoint, payload, self._usable(touchpoint)))
            except Unreadable as error:
                self._quarantine(record, error, touchpoint, changes, transaction)
        return arrivals

    def _usable(self, touchpoint: Any) -> list[Name]:
        region = self._identity.region(touchpoint.source)
        of = self._names.of
        names = [name for one in touchpoint.identifiers if (name := of(one.type, one.value, region))]
        if not names:
            raise Unreadable("no_usable_identifier", "every identifier is blocked, or is none of its type", "$.identifiers")
        return names if len(names) == 1 else strongest_first(names)

    def _unseen(self, arrivals: list[Arrival], changes: Changes, transaction: Transaction) -> list[Arrival]:
        """Those whose event_id is new, marked as seen; repeats are dropped, or quarantined where the content differs."""
        seen: dict[str, bytes | None] = dict(self._store.rows("touchpoints", {one.touchpoint.event_id for one in arrivals}))
        first: dict[str, Arrival] = {}
        for one in arrivals:
            event_id = one.touchpoint.event_id
            stored = seen.get(event_id)
            if stored is None and event_id not in first:
                first[event_id] = one
            elif self._same(one, stored, first.get(event_id)):
                transaction.outcomes["duplicate", ""] += 1
                log.debug("duplicate", extra={"event_id": event_id})
            else:
                error = Unreadable(
                    "conflicting_duplicate", "the event_id was used before with other content; give it a new one", "$.event_id"
                )
                self._quarantine(one.record, error, one.touchpoint, changes, transaction)
        return list(first.values())

    def _same(self, one: Arrival, stored: bytes | None, first: Arrival | None) -> bool:
        """Whether the repeat says what was said before: by digest, else whatever the spelling of its JSON."""
        digest = content_digest(one.touchpoint)
        if stored is None:
            return first is not None and (digest == content_digest(first.touchpoint) or _said(one) == _said(first))
        if digest.to_bytes(8, "big") == stored[:8]:
            return True
        customer, sequence = UUID(bytes=stored[8:24]), int.from_bytes(stored[24:], "big")
        event = next(event for event in self._store.events_of(customer) if event.version == sequence)
        return _said_before(msgspec.json.decode(event.state)["touchpoint"]) == _said(one)

    # ---- deciding

    def _apply(self, one: Arrival, changes: Changes, transaction: Transaction) -> None:
        touchpoint, names, customers = one.touchpoint, one.names, self._customers
        changes.headers = one.record.headers
        fact = (touchpoint.occurred_at, touchpoint.event_id)
        found = customers.sets.get(names[0].key)
        joined: list[Member] = []
        reshaped: set[str] = set()
        counts = one.payload.step == "restored" if touchpoint.type == "link" else None
        if found is None or counts is not None or not is_known(found, names, fact):
            found, joined, reshaped = self._link(names, fact, counts, changes)
        member = found.members[names[0].key]
        customer = customers.by_id.get(member.customer) or customers.customer(member.customer, _key_of(found, member.customer))
        customers.take(customer, member.id, touchpoint, one.payload)
        digest = content_digest(touchpoint).to_bytes(8, "big")
        changes.touchpoint_applied(customer, member.id, joined, touchpoint, names)
        seen = digest + customer.uuid.bytes + customer.sequence.to_bytes(8, "big")
        transaction.rows["touchpoints"][touchpoint.event_id] = seen
        if log.isEnabledFor(logging.DEBUG):
            log.debug("applied", extra={"event_id": touchpoint.event_id, "customer_id": customer.id, "sequence": customer.sequence})
        if touchpoint.type == "purchase":
            reshaped.add(customer.id)
        for id in reshaped:
            self._stand(customers.by_id[id], touchpoint.event_id, changes, transaction)

    def _link(self, names: list[Name], fact: Fact, counts: bool | None, changes: Changes) -> tuple[LinkedSet, list[Member], set[str]]:
        """Takes in what the touchpoint says about who is who (``counts``: decides): its anchor's set, the members new to its
        customer, and the customers that hold other identifiers than before."""
        customers = self._customers
        known = [one for name in names if (one := customers.sets.get(name.key))]
        if counts is None and not known and (fresh := first_seen(self._identity, names, fact)):
            customers.set_changed(fresh)
            customers.begin(fresh.id, names[0].key)
            return fresh, list(fresh.members.values()), set()
        if counts is None and len({one.id for one in known}) == 1:
            (found, *_) = known
            if (new := extended(self._identity, found, names, fact)) is not None:
                customers.set_changed(found)
                return found, new, set()
        observed = observe(self._identity, known, names, fact, counts)
        found = self._keep(observed.sets, names)
        joined, reshaped = announce(customers, changes, observed, fact[1])
        return found, joined, reshaped

    def _keep(self, sets: list[LinkedSet], names: list[Name]) -> LinkedSet:
        """Takes the sets in the place of those that held their members; returns the one of the anchor."""
        customers = self._customers
        replaced = {customers.sets[key].id for one in sets for key in one.members if key in customers.sets}
        for id in replaced - {one.id for one in sets}:
            customers.set_gone(id)
        for one in sets:
            customers.set_changed(one)
        return customers.sets[names[0].key]

    def moves_on(self, ids: Collection[str]) -> dict[str, int]:
        """When, in epoch milliseconds, time alone moves each of these customers on next; without those that it never does."""
        self._customers.load_customers(ids)
        there = [customer for id in ids if (customer := self._customers.by_id.get(id)) and customer.merged_into is None]
        until = {customer.id: self._standing(customer).until_micros for customer in there}
        return {id: -(-micros // 1000) for id, micros in until.items() if micros is not None}

    def _standing(self, customer: Customer) -> Standing:
        known = self._customers.known_of(self._customers.held_by(customer))
        first = min([facts.first_order for facts in known if facts.first_order], default=None)
        latest = sorted([order[0] for facts in known for order in facts.orders[-2:]])[-2:]
        return standing(self._lifecycle, first, latest, self._now_micros)

    def _stand(self, customer: Customer, cause: str, changes: Changes, transaction: Transaction) -> None:
        """Looks where the customer stands by now, and when to look again."""
        if customer.merged_into is not None:
            return
        now = self._standing(customer)
        if now.lifecycle != customer.lifecycle:
            changes.lifecycle_changed(customer, now.lifecycle, now.since or changes.recorded_at, cause)
        if now.until_micros is not None:
            due_ms = -(-now.until_micros // 1000)
            if customer.due_ms is None or due_ms < customer.due_ms:
                customer.due_ms = transaction.timers[customer.id] = due_ms
                changes.reshaped.add(customer.id)  # no event says it

    def _snapshot(self, customer: Customer, as_of: str) -> bytes:
        if customer.merged_into is not None:
            return merged_json(customer.id, customer.sequence, as_of, customer.merged_into)
        members = self._customers.held_by(customer)
        facts = together(self._customers.known_of(members))
        return profile_json(customer.id, customer.sequence, as_of, customer.lifecycle, members, facts)

    def _quarantine(self, record: Record, error: Unreadable, known: Any, changes: Changes, transaction: Transaction) -> None:
        partition = f"{record.topic}:{record.partition}"
        counts = transaction.rows.setdefault("quarantines", {})
        if partition not in counts:
            counts[partition] = self._store.rows("quarantines", [partition]).get(partition, b"0")
        number = int(counts[partition] or b"0") + 1
        counts[partition] = b"%d" % number
        changes.quarantined(record, number, error, known)
        transaction.outcomes["quarantined", error.reason] += 1
        if log.isEnabledFor(logging.DEBUG):
            at = {"event_id": getattr(known, "event_id", None), "partition": partition, "offset": record.offset}
            log.debug("quarantined", extra={"reason": error.reason, **at})

    # ---- a batch

    def _begin(self) -> Changes:
        self._customers.age()
        return Changes(from_micros(self._now()))

    def _end(self, changes: Changes, transaction: Transaction) -> Transaction:
        for customer in changes.touched.values():
            self._customers.customer_changed(customer, customer.id in changes.reshaped)
        transaction.events, transaction.traces = changes.events, changes.traces
        transaction.rows.update(self._customers.changes())
        return transaction

    def _now(self) -> int:
        """Microseconds since 1970, never backwards: a customer that was lost does not come back when a clock is set."""
        self._now_micros = max(self._now_micros, self._clock.now_ms() * 1000)
        return self._now_micros


def _happened(one: Arrival) -> tuple[str, str]:
    """Partitions come one after the other, and what a customer did came in several of them. What follows is cheapest in fact order: an
    account's ledger is folded anew for a purchase that comes after a later one."""
    return one.touchpoint.occurred_at, one.touchpoint.event_id


def _said(one: Arrival) -> list[Any]:
    """What a channel said, whatever its spelling and its version: identifiers in their normal form, the payload as its newest values."""
    touchpoint = one.touchpoint
    moment = said_moment(touchpoint.original_timestamp, touchpoint.occurred_at, touchpoint.received_at)
    identifiers = sorted((name.type, name.value) for name in one.names)
    payload = upcast(touchpoint.type, touchpoint.version, msgspec.json.decode(touchpoint.payload))
    return [touchpoint.type, moment, touchpoint.source, identifiers, payload]


def _said_before(applied: dict[str, Any]) -> list[Any]:
    """The same of a touchpoint as it was published."""
    moment = said_moment(applied["original_timestamp"], applied["occurred_at"], applied["received_at"])
    identifiers = sorted((one["type"], one["value"]) for one in applied["identifiers"])
    return [applied["type"], moment, applied["source"], identifiers, upcast(applied["type"], applied["version"], applied["payload"])]


def _key_of(one: LinkedSet, customer_id: str) -> str:
    """The identifier that the customer's id derives from."""
    return next(key for key, member in one.members.items() if member.id == customer_id)
