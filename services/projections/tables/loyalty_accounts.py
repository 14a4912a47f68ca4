"""Loyalty accounts as their latest snapshot shows them."""

from services.projections.messages import Account, micros, micros_or_none
from services.projections.table import Row, Table

TABLE = Table(
    "loyalty_accounts",
    (
        "account",
        "sequence",
        "as_of",
        "merged_into",
        "programme",
        "balance",
        "available",
        "pending",
        "earned",
        "expired",
        "redeemed",
        "adjusted",
        "tier",
        "tier_since",
        "tier_until",
        "qualifying",
        "next_expiry_at",
        "next_expiry_points",
        "lot_ids",
        "lot_rules",
        "lot_earned_at",
        "lot_expires_at",
        "lot_remaining",
    ),
)


def to_rows(id: int, account: Account) -> list[Row]:
    """``id`` is not used: an account's own ``sequence`` says which snapshot is the latest."""
    return [
        (
            account.account_id,
            account.sequence,
            micros(account.as_of),
            account.merged_into,
            account.programme,
            account.balance,
            account.available,
            account.pending,
            account.earned,
            account.expired,
            account.redeemed,
            account.adjusted,
            account.tier,
            micros_or_none(account.tier_since),
            micros_or_none(account.tier_until),
            account.qualifying,
            micros_or_none(account.next_expiry_at),
            account.next_expiry_points,
            [lot.lot_id for lot in account.lots],
            [lot.rule for lot in account.lots],
            [micros(lot.earned_at) for lot in account.lots],
            [micros_or_none(lot.expires_at) for lot in account.lots],
            [lot.remaining for lot in account.lots],
        )
    ]
