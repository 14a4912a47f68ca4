"""A programme in a line or two of YAML, and what the fold makes of some facts under it."""

from typing import Any

from services.loyalty.account import AccountState, Outcome, fold
from services.loyalty.moves import Entry, TierMove
from services.loyalty.programme import Programme
from services.loyalty.programme_file import read
from tests.loyalty.folding import fact
from tests.loyalty.profile_world import moment, written

EUROS = "earn: [{id: base, currency: EUR, points: 1}]"
TIERS = """
tiers: {window_days: 30, period_days: 20, grace_days: 5, levels: [
  {name: basic, threshold: 0}, {name: silver, threshold: 100, factor: 1.5}, {name: gold, threshold: 300, factor: 2}]}
"""


def programme(rules: str = EUROS) -> Programme:
    return read(f"programme: test\nversion: 1\n{rules}\n".encode())


def told(rules: Programme, *said: dict[str, Any], until: float = 0) -> Outcome:
    """All facts folded, then time up to that day (never less than the last fact)."""
    return fold(rules, [fact(one) for one in said], written(moment(until)))


def entries(outcome: Outcome) -> list[tuple[str, str, int]]:
    """(kind, lot, points)"""
    return [(move.kind, move.lot_id, move.amount) for move in outcome.moves if isinstance(move, Entry)]


def tier_moves(outcome: Outcome) -> list[tuple[str | None, str, str]]:
    """(before, after, day), of those to another tier."""
    moves = [move for move in outcome.moves if isinstance(move, TierMove)]
    return [(move.before, move.after, move.at[:10]) for move in moves if move.before != move.after]


def tiers_kept(outcome: Outcome) -> list[tuple[str, str]]:
    """(tier, day on which it was kept)"""
    return [(move.after, move.at[:10]) for move in outcome.moves if isinstance(move, TierMove) and move.before == move.after]


def remaining(state: AccountState) -> dict[str, int]:
    return {lot.lot_id: lot.remaining for lot in (*state.lots, *state.debts)}
