"""Mistakes made on purpose, so that duplicates, refusals and quarantine have work: repeats, conflicts, and what is no touchpoint.

Sent last, when all else is acknowledged: of two touchpoints with one id the first wins, and the real one must be first.
"""

import json
from dataclasses import dataclass

from services.demo.shop import EVENT_PREFIX, Shop, purchases
from services.demo.wire import Touchpoint, simulated

REPEATS = 200
CONFLICTS = 5


@dataclass(frozen=True, slots=True)
class Mistakes:
    """``repeats`` change nothing. ``conflicts`` and ``nobodys`` are taken by ingest and quarantined by the profile stage.

    ``unreadable`` ones are refused at the door, each named by what is wrong with it.
    """

    repeats: list[Touchpoint]
    conflicts: list[Touchpoint]
    nobodys: list[Touchpoint]
    unreadable: dict[str, bytes]

    def harmless(self) -> list[bytes]:
        """What is sent first: within one request ingest itself would see the conflicts."""
        return [json.dumps(touchpoint).encode() for touchpoint in self.repeats]

    def harmful(self) -> list[bytes]:
        """What ends in quarantine."""
        return [*(json.dumps(touchpoint).encode() for touchpoint in (*self.conflicts, *self.nobodys)), *self.unreadable.values()]


def mistakes(shop: Shop) -> Mistakes:
    some = purchases(Shop(shop.orders[:REPEATS]))
    repeats = list(some)
    conflicts = [_dearer(purchase) for purchase in repeats[:CONFLICTS]]
    return Mistakes(repeats, conflicts, _nobodys(shop.orders[0].at), _unreadable())


def _dearer(purchase: Touchpoint) -> Touchpoint:
    """The same event id with another amount."""
    payload = purchase["payload"] | {"total_minor": purchase["payload"]["total_minor"] + 100_000}
    return purchase | {"payload": payload, "context": {"simulated": True, "mistake": "conflicting duplicate"}}


def _nobodys(at: int) -> list[Touchpoint]:
    """Identifiers that identify nobody."""
    blocked = (("email", "test@test.com"), ("phone", "0000000000"), ("customer_id", "null"), ("anonymous_id", "anonymous"))
    visit = {"place": "page", "name": "/cart"}
    return [simulated("visit", f"sim-nobody-{index}", at, "web", [who], visit) for index, who in enumerate(blocked)]


def _unreadable() -> dict[str, bytes]:
    """One wrong thing each."""
    fine = simulated("purchase", f"sim-wrong-{EVENT_PREFIX}1", 1735732800, "shop", [("customer_id", "00001")], {})
    fine["payload"] = {"order_id": "W1", "total_minor": 100, "currency": "USD"}
    wrong = {
        "a negative amount": fine | {"payload": fine["payload"] | {"total_minor": -100}},
        "a currency that is none": fine | {"payload": fine["payload"] | {"currency": "dollars"}},
        "an amount with a fraction": fine | {"payload": fine["payload"] | {"total_minor": 99.5}},
        "a type nobody knows": fine | {"type": "telepathy"},
        "a version from the future": fine | {"version": 99},
        "the year 9999": fine | {"occurred_at": "9999-12-31T23:59:59Z"},
        "before 1970": fine | {"occurred_at": "1969-12-31T23:59:59Z"},
        "no time zone": fine | {"occurred_at": "2025-01-01T12:00:00"},
        "no identifier": fine | {"identifiers": []},
        "a field that is none": fine | {"colour": "blue"},
        "a NUL character": fine | {"source": "shop\x00"},
    }
    for index, (name, touchpoint) in enumerate(wrong.items()):
        wrong[name] = touchpoint | {"event_id": f"sim-wrong-{index:02d}"}
    broken = {"not JSON": b'{"event_id": "sim-wrong-20", "type":', "NaN": b'{"event_id": "sim-wrong-21", "payload": {"total_minor": NaN}}'}
    return {name: json.dumps(touchpoint).encode() for name, touchpoint in wrong.items()} | broken
