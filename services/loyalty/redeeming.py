"""The command to spend points: what it says, what it can be answered, and how it is decided. Pure.

It is decided once, against everything that its account knows: never against a past in which points were still there. So its
moment is now, or right after the latest fact where a channel's clock ran ahead.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from schemas import loyalty_events as published
from schemas import times
from schemas.compiled import struct_of
from services.loyalty.account import AccountState, advance
from services.loyalty.facts import Redemption, event_id_of
from services.loyalty.lots import Taken, first_to_expire
from services.loyalty.programme import Programme

MOMENT_LENGTH = len(times.from_micros(0))


class Redeem(NamedTuple):
    """Spend so many points of the customer's account. ``redemption_id`` is unique for ever: the same command has the same.

    ``customer``: any id that the customer ever had. ``source``: who sends it. ``traceparent``: of the trace that it belongs to, if any.
    """

    redemption_id: str
    customer: str
    points: int
    why: str
    source: str
    traceparent: bytes | None = None


class Accepted(NamedTuple):
    """The points are spent. ``said`` is the ``redemption_accepted`` that says so; ``repeated``: it was so before."""

    said: Any
    repeated: bool


class TooFew(NamedTuple):
    """Refused: the account has fewer points that can be spent now. It may be sent again when there are more."""

    balance: int
    available: int


class OtherContent(NamedTuple):
    """Refused: another redemption was accepted with this id, for so many points."""

    points: int


class Unknown(NamedTuple):
    """Refused: nobody is known to loyalty by this id."""


Answer = Accepted | TooFew | OtherContent | Unknown
decode: Any = msgspec.json.Decoder(struct_of(published.RedemptionAccepted)).decode


class Possible(NamedTuple):
    """The redemption can be accepted: the fact it will be, and the lots that it takes from, those that expire first."""

    fact: Redemption
    taken: Taken
    balance: int


def decided(programme: Programme, state: AccountState, command: Redeem, now: str) -> Possible | TooFew:
    """``state``: the account with all its facts, folded with this programme; ``now``: canonical."""
    event_id = event_id_of(command.redemption_id)
    at = _moment(state.cursor, event_id, now)
    state = advance(programme, state, at).state
    taken = first_to_expire(state.lots, command.points, at)
    if sum([part for _, part in taken]) < command.points:
        return TooFew(state.balance, sum([lot.remaining for lot in state.lots if lot.available_from <= at]))
    return Possible(Redemption(at, event_id, command.points), taken, state.balance - command.points)


def _moment(cursor: str, event_id: str, now: str) -> str:
    """Now, or where that would not be after all that the account knows, a microsecond after that."""
    if now + event_id > cursor:
        return now
    return times.from_micros(times.to_micros(cursor[:MOMENT_LENGTH]) + 1)


def main_anchor(taken: Taken, earned_under: Mapping[str, str]) -> str:
    """Under which a redemption is kept: the anchor whose facts earned most of what it takes, of equals the one used up first.

    So it stays with the points that it spent, whatever becomes of the customer. ``earned_under``: event_id → anchor.
    """
    shares: Counter[str] = Counter()
    for lot, part in taken:
        shares[earned_under[lot.source_event]] += part
    return shares.most_common(1)[0][0]
