"""Tills: ask loyalty to spend points, each command until it is answered, whatever happens to the process meanwhile."""

import json
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from services.chaos.stack import Stack
from services.embedded.processes import LOOPBACK
from services.runtime.http_requests import Poster

AT_ONCE = 20
ANSWERED_WITHIN = 120.0


class Spend(NamedTuple):
    """One redemption."""

    id: str
    customer: str
    points: int


class Told(NamedTuple):
    """What became of it; ``said`` is the answer's body."""

    spend: Spend
    status: int
    said: dict[str, Any]

    @property
    def accepted(self) -> bool:
        return self.status == 200


def spent(stack: Stack, slot: str, spends: Iterable[Spend]) -> Iterator[Told]:
    """At that process of loyalty, many at once; the answers as they come. AssertionError for one that must never come."""
    headers = {"Authorization": f"Bearer {stack.redeem_key}", "Content-Type": "application/json"}
    url = f"http://{LOOPBACK}:{stack.services[slot].door}/v1/redemptions"
    with Poster[Spend](url, headers, AT_ONCE, ANSWERED_WITHIN) as poster:
        for spend, reply in poster.post((one, _body(one)) for one in spends):
            assert reply.status in (200, 404, 409), f"loyalty answered {reply.status}: {reply.body[:200]!r}"
            yield Told(spend, reply.status, json.loads(reply.body))


def _body(spend: Spend) -> bytes:
    return json.dumps({"redemption_id": spend.id, "customer_id": spend.customer, "points": spend.points}).encode()
