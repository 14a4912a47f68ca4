"""What of the profile stage's store is state: who is who, what is known, and what was counted; not in which order it came."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from services.profile.customers import Customer, CustomerRow
from services.profile.facts import Facts
from services.profile.identity import LinkedSet, Member
from services.profile.replay import replay
from services.proof.holders import Holders
from services.proof.shown import Shown, readable, unreadable
from services.runtime.event_store import RecordedEvent
from services.runtime.store_snapshot import StoreSnapshot

_set = msgspec.msgpack.Decoder(LinkedSet).decode
_facts = msgspec.msgpack.Decoder(Facts).decode
_customer = msgspec.msgpack.Decoder(CustomerRow).decode
SETS_A_PAGE = 500
UNKNOWN_VERSION = "unknown_version"
LIFECYCLE_CHANGING = ("lifecycle_changed", "customer_merged_into")


class _Applied(msgspec.Struct, gc=False):
    anchor: str
    touchpoint: msgspec.Raw


class _EventId(msgspec.Struct, gc=False):
    event_id: Any


class _Lifecycle(msgspec.Struct, gc=False):
    after: str


class _Quarantined(msgspec.Struct, gc=False):
    quarantine_id: str
    reason: str
    path: str
    original: str
    encoding: str


_applied = msgspec.json.Decoder(_Applied).decode
_event_id = msgspec.json.Decoder(_EventId).decode
_whole = msgspec.json.Decoder(dict[str, Any]).decode
_lifecycle = msgspec.json.Decoder(_Lifecycle).decode
_quarantined = msgspec.json.Decoder(_Quarantined).decode
Places = dict[str, tuple[UUID, int, str]]
"""event_id → originator, version and anchor of the event that it became"""


def profile_state(store: StoreSnapshot, holders: Holders, as_spelt: bool = False) -> Iterator[Shown]:
    """Every row, with what events say that came after it was written. Left out, since they tell of the way and not of the state:
    sequence numbers and times of recording, ids of linked sets, moments of timers, customers that were merged into others, and
    events other than touchpoints (but not a hole in them). ``as_spelt``: touchpoints as their JSON, which is quicker: two spellings of
    the same then differ."""
    told: dict[str, Told] = {}
    counted: Places = {}
    waited: Counter[str] = Counter()
    yield from identity_shown(store.rows("linked_sets"), store.rows("identifiers"), holders)
    yield from _known(store, holders)
    yield from _published(store, holders, told, counted, waited, as_spelt)
    yield from _customers(store, holders, told)
    yield from _seen(store, holders, counted)
    counts = dict(store.rows("quarantines"))
    for partition in sorted(counts.keys() | waited.keys()):
        if (left := _left(counts.get(partition, b"0"), waited[partition])) != "0":
            yield Shown("", "quarantined messages", partition, {"count": left})


def identity_shown(sets: Iterable[tuple[str, bytes]], places: Iterable[tuple[str, bytes]], holders: Holders) -> Iterator[Shown]:
    """Linked sets, and of all their identifiers where these are said to be."""
    place = {key: value.decode("utf-8", "replace") for key, value in places}
    for id, value in sets:
        one = readable(_set, value)
        if one is None:
            yield unreadable("", "identity", id, value)
            continue
        whole = min(member.id for member in one.members.values()) if one.members else ""
        refused = sorted(one.refused)
        for key, member in one.members.items():
            fields = _member(member) | {
                "links": sorted([other, *fact] for other, fact in one.links.get(key, {}).items()),
                "decided": sorted([other, *said] for other, said in one.decided.get(key, {}).items()),
                "refused": [b for a, b in refused if a == key],
                "linked set": whole,
                "found by its key": place.pop(key, None) == one.id == id,
            }
            yield Shown(holders.of(member.id), "identity", key, fields)
    for key, lost in place.items():
        yield Shown("", "identity", key, {"found by its key": lost})


def _member(member: Member) -> dict[str, Any]:
    return {
        "id": member.id,
        "type": member.type,
        "value": member.value,
        "customer": member.customer,
        "first seen": list(member.first),
        "anchored": member.anchored,
        "shared": member.shared,
        "partners": sorted(member.partners),
    }


def _known(store: StoreSnapshot, holders: Holders) -> Iterator[Shown]:
    """What is known by each anchor: its row, and what the events of its customer say that came later. Then rows of no anchor."""
    sets = (one for _, value in store.rows("linked_sets") if (one := readable(_set, value)))
    shown: set[str] = set()
    while page := list(islice(sets, SETS_A_PAGE)):
        members = [member for one in page for member in one.members.values()]
        stored = store.rows_of("facts", [member.id for member in members if member.anchored])
        facts = {anchor: known for anchor, value in stored.items() if (known := readable(_facts, value))}
        ids = {member.customer for member in members}
        rows = (readable(_customer, value) for value in store.rows_of("customers", ids).values())
        add_later_events(store, [row for row in rows if row and row.id in ids], facts)
        shown |= facts.keys()
        for anchor, known in facts.items():
            yield _facts_shown(anchor, known, holders)
    for anchor, value in store.rows("facts"):
        if anchor not in shown or readable(_facts, value) is None:
            yield unreadable(holders.of(anchor), "facts", anchor, value)


def facts_shown(stored: Mapping[str, bytes], holders: Holders) -> Iterator[Shown]:
    """Rows that are up to date."""
    for anchor, value in stored.items():
        known = readable(_facts, value)
        yield _facts_shown(anchor, known, holders) if known else unreadable(holders.of(anchor), "facts", anchor, value)


def _facts_shown(anchor: str, known: Facts, holders: Holders) -> Shown:
    return Shown(holders.of(anchor), "facts", anchor, {name: getattr(known, name) for name in Facts.__struct_fields__})


def add_later_events(store: StoreSnapshot, rows: Iterable[CustomerRow], facts: dict[str, Facts]) -> None:
    """Adds to the facts, by anchor, what came after the rows of these customers were written. Events that say nothing are shown as such
    elsewhere."""
    customers = {UUID(row.id): Customer(row.id, row.key, row.sequence) for row in rows}
    for event in store.events_since({originator: customer.sequence for originator, customer in customers.items()}):
        with suppress(msgspec.MsgspecError, UnicodeDecodeError, KeyError):
            replay(customers[event.originator], facts, event)


def _customers(store: StoreSnapshot, holders: Holders, told: dict[str, "Told"]) -> Iterator[Shown]:
    """Living ones; of merged ones only that their events or their row are not whole."""
    timers = store.timers()
    for id, value in store.rows("customers"):
        customer = readable(_customer, value)
        said = told.pop(id, NOTHING_TOLD)
        if customer is None:
            yield unreadable(id, "customer", id, value)
            continue
        whole = customer.sequence <= said.last
        if customer.merged_into is None:
            fields = {
                "id": customer.id,
                "key": customer.key,
                "lifecycle": lifecycle_of(customer, said),
                "numbered without a hole": whole,
                "looked at again when it says": customer.due_ms == timers.get(id),
            }
            yield Shown(id, "customer", id, fields)
        elif not whole or customer.id != id:
            yield Shown(holders.of(id), "merged customer", id, {"id": customer.id, "numbered without a hole": False})
    for id in told:
        yield Shown(holders.of(id), "customer", id, {"has a row": False})


class Told(NamedTuple):
    """What a customer's events say of it: the last number, -1 where there is a hole; and (number, lifecycle from then on)."""

    last: int
    lifecycles: Sequence[tuple[int, str]] = ()

    def lifecycle(self, sequence: int) -> str:
        """As of that number."""
        return next((after for number, after in reversed(self.lifecycles) if number <= sequence), "prospect")


NOTHING_TOLD = Told(0)


def lifecycle_of(customer: CustomerRow, said: Told) -> str:
    """What the row and the events after it come to; what the row says, where it was not even so when it was written."""
    now = said.lifecycle(said.last)
    if customer.lifecycle == said.lifecycle(customer.sequence):
        return now
    return customer.lifecycle if customer.lifecycle != now else f"{now}, before its events said so"


def _published(
    store: StoreSnapshot, holders: Holders, told: dict[str, Told], counted: Places, waited: Counter[str], as_spelt: bool
) -> Iterator[Shown]:
    """Touchpoints as they were published. Notes what else their customers' events say, where each touchpoint is, and how many
    messages of a partition waited for a release that knows their version: the one that folds knows it."""
    for originator, events in store.events_by_originator():
        if events[0].type != "quarantined":
            told[str(originator)] = _told(events)
        for event in events:
            if event.type == "touchpoint_applied":
                yield _touchpoint(event, holders, counted, as_spelt)
            elif event.type == "quarantined":
                said = readable(_quarantined, event.state)
                if said and said.reason == UNKNOWN_VERSION:
                    waited[said.quarantine_id.rpartition(":")[0]] += 1
                else:
                    yield _refusal(event, said)


def _told(events: list[RecordedEvent]) -> Told:
    whole = all(event.version == number for number, event in enumerate(events, 1))
    lifecycles = [(event.version, _lifecycle_after(event)) for event in events if event.type in LIFECYCLE_CHANGING]
    return Told(len(events) if whole else -1, lifecycles)


def _lifecycle_after(event: RecordedEvent) -> str:
    if event.type == "customer_merged_into":
        return "prospect"
    said = readable(_lifecycle, event.state)
    return said.after if said else "unreadable"


def _touchpoint(event: RecordedEvent, holders: Holders, counted: Places, as_spelt: bool) -> Shown:
    said = readable(_applied, event.state)
    known = readable(_event_id, said.touchpoint) if said else None
    if said is None or known is None or (fields := _fields(said.touchpoint, as_spelt)) is None:
        return unreadable(holders.of(str(event.originator)), "touchpoint", f"{event.originator}:{event.version}", event.state)
    event_id = str(known.event_id)
    counted[event_id] = event.originator, event.version, said.anchor
    return Shown(holders.of(said.anchor), "touchpoint", event_id, {"anchor": said.anchor, **fields})


def _fields(touchpoint: msgspec.Raw, as_spelt: bool) -> dict[str, Any] | None:
    return {"as spelt": bytes(touchpoint)} if as_spelt else readable(_whole, touchpoint)


def _left(count: bytes, waited: int) -> str:
    """Of the messages of a partition that were set aside, those that did not wait."""
    return str(int(count) - waited) if count.isdigit() else count.decode("utf-8", "replace")


def _refusal(event: RecordedEvent, said: _Quarantined | None) -> Shown:
    if said is None:
        return unreadable("", "quarantine", str(event.originator), event.state)
    return Shown("", "quarantine", said.quarantine_id, msgspec.structs.asdict(said))


def _seen(store: StoreSnapshot, holders: Holders, counted: Places) -> Iterator[Shown]:
    """What a repeat is known by. Its 32 bytes: digest, customer, sequence."""
    for event_id, value in store.rows("touchpoints"):
        if len(value) != 32:
            yield unreadable("", "counted", event_id, value)
            continue
        if event_id in counted:
            customer, sequence, anchor = counted[event_id]
            leads = value[8:24] == customer.bytes and int.from_bytes(value[24:], "big") == sequence
        else:
            anchor, leads = str(UUID(bytes=value[8:24])), False
        yield Shown(holders.of(anchor), "counted", event_id, {"digest": value[:8].hex(), "leads to its event": leads})
