"""What was given back: one row a refund."""

from schemas.currencies import minor_units
from services.projections.messages import Refund, TouchpointApplied, micros
from services.projections.table import Row, Table

TABLE = Table(
    "refunds",
    (
        "event_id",
        "refund_id",
        "order_id",
        "occurred_at",
        "source",
        "reason",
        "currency",
        "divisor",
        "amount_minor",
        "anchor",
        "customer_at",
        "id",
    ),
)


def to_rows(id: int, event: TouchpointApplied, payload: Refund) -> list[Row]:
    return [
        (
            event.touchpoint.event_id,
            payload.refund_id,
            payload.order_id,
            micros(event.touchpoint.occurred_at),
            event.touchpoint.source,
            payload.reason or "",
            payload.currency,
            minor_units(payload.currency),
            payload.total_minor,
            event.anchor,
            event.customer_id,
            id,
        )
    ]
