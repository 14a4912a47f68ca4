"""What was bought: one row a purchase."""

from schemas.currencies import minor_units
from services.projections.messages import Purchase, TouchpointApplied, micros
from services.projections.table import Row, Table

TABLE = Table(
    "purchases",
    (
        "event_id",
        "order_id",
        "occurred_at",
        "source",
        "store",
        "payment",
        "currency",
        "divisor",
        "total_minor",
        "tax_minor",
        "shipping_minor",
        "lines",
        "quantity",
        "anchor",
        "customer_at",
        "id",
    ),
)


def to_rows(id: int, event: TouchpointApplied, payload: Purchase) -> list[Row]:
    touchpoint = event.touchpoint
    return [
        (
            touchpoint.event_id,
            payload.order_id,
            micros(touchpoint.occurred_at),
            touchpoint.source,
            payload.store or "",
            payload.payment or "",
            payload.currency,
            minor_units(payload.currency),
            payload.total_minor,
            payload.tax_minor,
            payload.shipping_minor,
            len(payload.lines),
            sum(line.quantity for line in payload.lines),
            event.anchor,
            event.customer_id,
            id,
        )
    ]
