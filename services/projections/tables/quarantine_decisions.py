"""What people decided about what is in quarantine."""

from services.projections.messages import QuarantineDecision, micros
from services.projections.table import Row, Table

TABLE = Table(
    "quarantine_decisions",
    ("quarantine_id", "decision_id", "decision", "decided_by", "decided_at", "why", "fix", "event_id", "id"),
)


def to_rows(id: int, decided: QuarantineDecision) -> list[Row]:
    """``id`` is the offset in the quarantine topic: of a repeat the last is kept, which says the same."""
    return [
        (
            decided.quarantine_id,
            decided.decision_id,
            decided.decision,
            decided.decided_by,
            micros(decided.decided_at),
            decided.why,
            decided.fix,
            decided.event_id or "",
            id,
        )
    ]
