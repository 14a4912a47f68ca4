"""An account shown whole: the message of the topic ``loyalty-accounts``. Pure."""

from typing import Any

import msgspec

from schemas import loyalty_events as published
from schemas.compiled import struct_of
from services.loyalty import tiers
from services.loyalty.account_record import AccountRecord
from services.loyalty.lots import Lot
from services.loyalty.moments import FOREVER
from services.loyalty.programme import Programme

LOTS_SHOWN = 500
"""So that the message always fits into its topic."""

AS_OF_THEN = frozenset({"as_of", "available", "pending", "qualifying"})
"""Fields that hold for the moment of a snapshot: time alone changes them, without an event (a lot becomes available)."""

_encode = msgspec.json.Encoder().encode
_Account = struct_of(published.Account)
_OpenLot = struct_of(published.OpenLot)


def account_json(programme: Programme, account: AccountRecord, as_of: str) -> bytes:
    """The JSON of an ``Account`` at that moment."""
    state, merged_into = account.state, account.merged_into
    if merged_into is not None:
        head = {"account_id": account.id, "sequence": account.sequence, "as_of": as_of, "programme": programme.name}
        return _encode(_Account(**head, merged_into=merged_into))
    pending = sum([lot.remaining for lot in state.lots if lot.available_from > as_of])
    next_expiry = state.lots[0].expires_at if state.lots and state.lots[0].expires_at != FOREVER else None
    every = (*state.lots, *state.debts)
    standing = state.standing or tiers.Standing()
    return _encode(
        _Account(
            account_id=account.id,
            sequence=account.sequence,
            as_of=as_of,
            programme=programme.name,
            balance=state.balance,
            available=max(0, state.balance - pending),
            pending=pending,
            earned=state.earned,
            expired=state.expired,
            redeemed=state.redeemed,
            adjusted=state.adjusted,
            tier=account.tier or "",
            tier_since=standing.since or None,
            tier_until=standing.until,
            qualifying=tiers.qualifying(programme.tiers, standing, as_of) if programme.tiers else 0,
            next_expiry_at=next_expiry,
            next_expiry_points=sum([lot.remaining for lot in state.lots if lot.expires_at == next_expiry]),
            lots=[_lot(lot) for lot in every[:LOTS_SHOWN]],
            further_lots=max(0, len(every) - LOTS_SHOWN),
        )
    )


def _lot(lot: Lot) -> Any:
    return _OpenLot(
        lot_id=lot.lot_id,
        source_event=lot.source_event,
        rule=lot.rule,
        rule_version=lot.version,
        earned_at=lot.earned_at,
        available_from=lot.available_from,
        expires_at=None if lot.expires_at == FOREVER else lot.expires_at,
        remaining=lot.remaining,
    )
