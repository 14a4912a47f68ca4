"""From a test's dictionaries to the fold's facts, and from the reference to what a state shows."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from services.loyalty.account import AccountState
from services.loyalty.facts import Adjustment, Birthday, Fact, Line, Purchase, Redemption, Refund, RefundLine, Survey
from services.loyalty.moves import Entry, TierMove
from services.loyalty.programme import Programme
from tests.loyalty.profile_world import written
from tests.loyalty.reference import Reference


def fact(said: dict[str, Any]) -> Fact:
    at, event_id = written(said["at"]), said["event_id"]
    match said["type"]:
        case "purchase":
            lines = tuple(Line(one["sku"], one["category"], one["quantity"], one["price"]) for one in said["lines"])
            order = (said["source"], said["order_id"], said["currency"], said["total"], said["tax"], said["shipping"])
            return Purchase(at, event_id, *order, lines)
        case "refund":
            back = tuple(RefundLine(one["sku"], one["amount"]) for one in said["lines"])
            return Refund(at, event_id, said["order_id"], said["refund_id"], said["currency"], said["amount"], back)
        case "survey":
            return Survey(at, event_id)
        case "identify":
            return Birthday(at, event_id, said["birthday"] or "")
        case "redemption":
            return Redemption(at, event_id, said["points"])
        case _:
            return Adjustment(at, event_id, said["points"])


def shown(programme: Programme, state: AccountState) -> dict[str, Any]:
    """What two folds must agree on."""
    standing = state.standing
    return {
        "balance": state.balance,
        "totals": (state.earned, state.expired, state.redeemed, state.adjusted),
        "lots": {lot.lot_id: lot.remaining for lot in (*state.lots, *state.debts)},
        "tier": (standing.level, standing.until, standing.in_grace, standing.since) if standing and programme.tiers else None,
    }


def shown_by(reference: Reference) -> dict[str, Any]:
    tier = reference.tier
    until = tier and tier["until"] and written(tier["until"])
    return {
        "balance": reference.balance,
        "totals": (reference.earned, reference.expired, reference.redeemed, reference.adjusted),
        "lots": {lot["id"]: lot["left"] for lot in reference.lots if lot["left"]},
        "tier": (tier["level"], until, tier["grace"], written(tier["since"])) if tier and reference.programme.tiers else None,
    }


def sums(moves: Iterable[Entry | TierMove]) -> dict[str, int]:
    """What the entries of each lot add up to."""
    by_lot: Counter[str] = Counter()
    for move in moves:
        if isinstance(move, Entry):
            by_lot[move.lot_id] += move.amount
    return {lot: points for lot, points in by_lot.items() if points}
