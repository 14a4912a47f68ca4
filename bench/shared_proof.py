"""That no work was lost and none done twice, whoever did it: the log against what was published and what is stored."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Protocol

import msgspec

from services.chaos.order import Order, Published
from services.profile.identity import LinkedSet

SHOWN = 3
_unpack_set = msgspec.msgpack.Decoder(LinkedSet).decode


class Stored(Protocol):
    """The part of the event store that is looked at."""

    last_id: int

    def positions(self) -> dict[str, int]: ...
    def all_rows(self, kind: str) -> Iterable[tuple[str, bytes]]: ...


def wrong(
    log: Iterable[tuple[bytes, bytes]],
    changes: Sequence[Published],
    quarantined: Sequence[Published],
    store: Stored,
    ends: Mapping[str, int],
) -> list[str]:
    """What does not hold; nothing: every distinct event_id is applied once, each customer's sequence has no gap, every stored event was
    published and under one id, and the positions are where the log ends. ``changes``: each partition's in order."""
    order = Order("profile-events")
    order.take(changes)
    applied = Counter(_applied(changes).values())
    sent = {json.loads(value)["event_id"] for _, value in log}
    ids = {int(dict(record.headers)["id"]) for record in (*changes, *quarantined)}
    found = {
        "quarantined": {"records": len(quarantined)} if quarantined else {},
        "sent, and not applied": sent - applied.keys(),
        "applied, and never sent": applied.keys() - sent,
        "applied twice": {event for event, times in applied.items() if times > 1},
        "not marked as seen": sent ^ {event for event, _ in store.all_rows("touchpoints")},
        "stored, and not published": set(range(1, store.last_id + 1)) - ids,
        "published, and not stored": ids - set(range(1, store.last_id + 1)),
        "not read to the end": dict(ends.items() ^ store.positions().items()),
    }
    return [*order.wrong[:SHOWN], *(f"{what}: {len(which)}, such as {sorted(which)[:SHOWN]}" for what, which in found.items() if which)]


def holders(store: Stored) -> str:
    """Who holds which identifier, as a digest: equal for equal facts, however many workers there were."""
    digest = sha256()
    sets = (_unpack_set(value) for _, value in store.all_rows("linked_sets"))
    for key, customer in sorted((key, member.customer) for one in sets for key, member in one.members.items()):
        digest.update(f"{key}\0{customer}\n".encode())
    return digest.hexdigest()[:16]


def _applied(changes: Iterable[Published]) -> dict[int, str]:
    """Notification id → event_id; what was published again under its id is there once."""
    applied = {}
    for record in changes:
        headers = dict(record.headers)
        if headers["type"] == b"touchpoint_applied":
            applied[int(headers["id"])] = str(json.loads(record.value or b"")["touchpoint"]["event_id"])
    return applied
