"""Redemptions that were accepted: one row each."""

from services.projections.messages import RedemptionAccepted, micros
from services.projections.table import Row, Table

TABLE = Table(
    "redemptions",
    (
        "redemption_id",
        "account",
        "sequence",
        "asked",
        "anchor",
        "points",
        "occurred_at",
        "recorded_at",
        "source",
        "why",
        "balance",
        "id",
    ),
)


def to_rows(id: int, said: RedemptionAccepted) -> list[Row]:
    return [
        (
            said.redemption_id,
            said.account_id,
            said.sequence,
            said.customer_id,
            said.anchor,
            said.points,
            micros(said.occurred_at),
            micros(said.recorded_at),
            said.source,
            said.why,
            said.balance,
            id,
        )
    ]
