"""What was bought: one row a line of a purchase."""

from schemas.currencies import minor_units
from services.projections.messages import Purchase, TouchpointApplied, micros
from services.projections.table import Row, Table

TABLE = Table(
    "purchase_lines",
    (
        "event_id",
        "line",
        "order_id",
        "occurred_at",
        "sku",
        "name",
        "category",
        "quantity",
        "unit_price_minor",
        "currency",
        "divisor",
        "anchor",
        "customer_at",
        "id",
    ),
)


def to_rows(id: int, event: TouchpointApplied, payload: Purchase) -> list[Row]:
    event_id, occurred_at = event.touchpoint.event_id, micros(event.touchpoint.occurred_at)
    units = minor_units(payload.currency)
    return [
        (
            event_id,
            number,
            payload.order_id,
            occurred_at,
            line.sku,
            line.name or "",
            line.category or "",
            line.quantity,
            line.unit_price_minor,
            payload.currency,
            units,
            event.anchor,
            event.customer_id,
            id,
        )
        for number, line in enumerate(payload.lines, 1)
    ]
