"""What could not be taken in."""

from services.projections.messages import Quarantined, micros
from services.projections.table import Row, Table

TABLE = Table(
    "quarantine",
    (
        "quarantine_id",
        "stage",
        "reason",
        "path",
        "detail",
        "topic",
        "partition",
        "offset",
        "event_id",
        "type",
        "source",
        "occurred_at",
        "received_at",
        "quarantined_at",
        "original",
        "encoding",
        "id",
    ),
)


def to_rows(id: int, refused: Quarantined) -> list[Row]:
    """``id`` is the offset in the quarantine topic: of a repeat the last is kept."""
    return [
        (
            refused.quarantine_id,
            refused.stage,
            refused.reason,
            refused.path,
            refused.detail,
            refused.topic or "",
            refused.partition,
            refused.offset,
            refused.event_id or "",
            refused.type or "",
            refused.source or "",
            refused.occurred_at or "",
            micros(refused.received_at),
            micros(refused.quarantined_at),
            refused.original,
            refused.encoding,
            id,
        )
    ]
