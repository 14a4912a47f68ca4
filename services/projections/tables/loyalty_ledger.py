"""The loyalty ledger: one row an entry."""

from services.projections.messages import EntryPosted, micros, micros_or_none
from services.projections.table import Row, Table

TABLE = Table(
    "loyalty_ledger",
    (
        "entry_id",
        "account",
        "sequence",
        "recorded_at",
        "effective_at",
        "cause",
        "programme",
        "ledger",
        "currency",
        "kind",
        "corrects",
        "corrected_kind",
        "amount",
        "balance",
        "lot_id",
        "source_event",
        "rule",
        "rule_version",
        "available_from",
        "expires_at",
        "id",
    ),
)


def to_rows(id: int, entry: EntryPosted) -> list[Row]:
    return [
        (
            entry.entry_id,
            entry.account_id,
            entry.sequence,
            micros(entry.recorded_at),
            micros(entry.effective_at),
            entry.cause,
            entry.programme,
            entry.ledger,
            entry.currency or "",
            entry.kind,
            entry.corrects or "",
            entry.corrected_kind or "",
            entry.amount,
            entry.balance,
            entry.lot_id,
            entry.source_event,
            entry.rule or "",
            entry.rule_version,
            micros_or_none(entry.available_from),
            micros_or_none(entry.expires_at),
            id,
        )
    ]
