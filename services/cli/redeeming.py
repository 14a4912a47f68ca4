"""Points spent over HTTP, and the answer in words."""

import json
from dataclasses import asdict, dataclass
from typing import Any

from services.cli.errors import CommandFailed
from services.runtime.http_requests import Poster, Reply

REFUSED = 2
REMEDIES = {
    "insufficient_points": "`rapport customer {who}` shows the account: when points become available, and when they expire",
    "conflicting_redemption": "give this redemption an --id of its own; or repeat the earlier one exactly, which spends nothing more",
    "unknown_customer": "`rapport status` shows whether the loyalty stage is behind: it may be on its way",
    "unauthorized": "`rapport keys create NAME --for redemptions` makes a key: give it with --key, or leave --key out",
    "not_found": "is this the door for redemptions? `rapport config` shows loyalty.host and loyalty.port",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """The command, as the door takes it."""

    redemption_id: str
    customer_id: str
    points: int
    why: str


def redeemed(door: str, key: str, asked: Asked, who: str, give_up_after: float = 15.0) -> str:
    """What became of it, for a person. Raises CommandFailed where it is refused, Unreachable where nobody answers."""
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    with Poster[None](f"{door}/v1/redemptions", headers, 1, give_up_after) as poster:
        ((_, reply),) = poster.post([(None, json.dumps(asdict(asked)).encode())])
    said = _said(reply)
    if reply.status != 200:
        remedy = REMEDIES.get(said.get("code", ""), "").format(who=who)
        raise CommandFailed(said.get("message", f"HTTP {reply.status}"), remedy, REFUSED)
    return f"{said['points']:,} points spent at {said['occurred_at'][:19].replace('T', ' ')} UTC, {said['balance']:,} left then."


def _said(reply: Reply) -> dict[str, Any]:
    """Empty where it is not loyalty that answers."""
    try:
        said = json.loads(reply.body)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}
