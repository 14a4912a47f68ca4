"""What of the profile stage's store is state: who is who, what is known, and what was counted; not in which order it came."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import msgspec

from services.profile.customers import Customer
from services.profile.facts import Facts
from services.profile.identity import LinkedSet, Member
from services.proof.holders import Holders
from services.proof.shown import Shown, readable, unreadable
from services.runtime.event_store import RecordedEvent
from services.runtime.store_snapshot import StoreSnapshot

_set = msgspec.msgpack.Decoder(LinkedSet).decode
_facts = msgspec.msgpack.Decoder(Facts).decode
_customer = msgspec.msgpack.Decoder(Customer).decode


class _Applied(msgspec.Struct, gc=False):
    anchor: str
    touchpoint: dict[str, Any]


class _Quarantined(msgspec.Struct, gc=False):
    quarantine_id: str
    reason: str
    path: str
    original: str
    encoding: str


_applied = msgspec.json.Decoder(_Applied).decode
_quarantined = msgspec.json.Decoder(_Quarantined).decode
Places = dict[str, tuple[UUID, int, str]]
"""event_id → originator, version and anchor of the event that it became"""


def profile_state(store: StoreSnapshot, holders: Holders) -> Iterator[Shown]:
    """Every row. Left out, since they tell of the way and not of the state: sequence numbers and times of recording, ids of
    linked sets, moments of timers, customers that were merged into others, and events other than touchpoints (but not a hole in them)."""
    sequences: dict[str, int] = {}
    counted: Places = {}
    yield from _identity(store, holders)
    yield from _known(store, holders)
    yield from _published(store, holders, sequences, counted)
    yield from _customers(store, holders, sequences)
    yield from _seen(store, holders, counted)
    for partition, count in store.rows("quarantines"):
        yield Shown("", "quarantined messages", partition, {"count": count.decode("utf-8", "replace")})


def _identity(store: StoreSnapshot, holders: Holders) -> Iterator[Shown]:
    place = {key: value.decode("utf-8", "replace") for key, value in store.rows("identifiers")}
    for id, value in store.rows("linked_sets"):
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
    for anchor, value in store.rows("facts"):
        facts = readable(_facts, value)
        if facts is None:
            yield unreadable(holders.of(anchor), "facts", anchor, value)
        else:
            fields = {name: getattr(facts, name) for name in Facts.__struct_fields__}
            yield Shown(holders.of(anchor), "facts", anchor, fields)


def _customers(store: StoreSnapshot, holders: Holders, sequences: dict[str, int]) -> Iterator[Shown]:
    """Living ones; of merged ones only that their events or their row are not whole."""
    timers = store.timers()
    for id, value in store.rows("customers"):
        customer = readable(_customer, value)
        whole = sequences.pop(id, 0)
        if customer is None:
            yield unreadable(id, "customer", id, value)
        elif customer.merged_into is None:
            fields = {
                "id": customer.id,
                "key": customer.key,
                "lifecycle": customer.lifecycle,
                "numbered without a hole": customer.sequence == whole,
                "looked at again when it says": customer.due_ms == timers.get(id),
            }
            yield Shown(id, "customer", id, fields)
        elif customer.sequence != whole or customer.id != id:
            yield Shown(holders.of(id), "merged customer", id, {"id": customer.id, "numbered without a hole": False})
    for id in sequences:
        yield Shown(holders.of(id), "customer", id, {"has a row": False})


def _published(store: StoreSnapshot, holders: Holders, sequences: dict[str, int], counted: Places) -> Iterator[Shown]:
    """Touchpoints as they were published. Notes the last number of each customer whose numbers have no hole, and where each
    touchpoint is."""
    for originator, events in store.events_by_originator():
        if events[0].type != "quarantined":
            whole = all(event.version == number for number, event in enumerate(events, 1))
            sequences[str(originator)] = len(events) if whole else -1
        for event in events:
            if event.type == "touchpoint_applied":
                yield _touchpoint(event, holders, counted)
            elif event.type == "quarantined":
                yield _refusal(event)


def _touchpoint(event: RecordedEvent, holders: Holders, counted: Places) -> Shown:
    said = readable(_applied, event.state)
    if said is None:
        return unreadable(holders.of(str(event.originator)), "touchpoint", f"{event.originator}:{event.version}", event.state)
    event_id = str(said.touchpoint.get("event_id"))
    counted[event_id] = event.originator, event.version, said.anchor
    return Shown(holders.of(said.anchor), "touchpoint", event_id, {"anchor": said.anchor, **said.touchpoint})


def _refusal(event: RecordedEvent) -> Shown:
    said = readable(_quarantined, event.state)
    if said is None:
        return unreadable("", "quarantine", str(event.originator), event.state)
    return Shown("", "quarantine", said.quarantine_id, msgspec.structs.asdict(said))


def _seen(store: StoreSnapshot, holders: Holders, counted: Places) -> Iterator[Shown]:
    """What a repeat is known by. Its 32 bytes: digest, customer, sequence."""
    for event_id, value in store.rows("touchpoints"):
        if len(value) != 32:
            yield unreadable("", "counted", event_id, value)
            continue
        named = UUID(bytes=value[8:24]), int.from_bytes(value[24:], "big")
        *place, anchor = counted.get(event_id, (*named, str(named[0])))
        fields = {"digest": value[:8].hex(), "leads to its event": event_id in counted and tuple(place) == named}
        yield Shown(holders.of(anchor), "counted", event_id, fields)
