"""What changed loyalty accounts, besides ledger entries: tiers and merges."""

from services.projections.messages import AccountMergedInto, TierChanged, micros
from services.projections.table import Row, Table

TABLE = Table(
    "loyalty_changes",
    (
        "account",
        "sequence",
        "event",
        "recorded_at",
        "effective_at",
        "cause",
        "programme",
        "before",
        "after",
        "qualifying",
        "survivor",
        "id",
    ),
)


def to_rows(id: int, event: TierChanged | AccountMergedInto) -> list[Row]:
    recorded_at = micros(event.recorded_at)
    head = (event.account_id, event.sequence)
    if isinstance(event, AccountMergedInto):
        return [(*head, "account_merged_into", recorded_at, recorded_at, event.cause, "", "", "", 0, event.survivor, id)]
    effective_at, tiers = micros(event.effective_at), (event.before or "", event.after)
    return [(*head, "tier_changed", recorded_at, effective_at, event.cause, event.programme, *tiers, event.qualifying, None, id)]
