"""Complaints: one row a step."""

from services.projections.messages import CaseStep, TouchpointApplied, micros
from services.projections.table import Row, Table

TABLE = Table(
    "case_steps",
    ("event_id", "case_id", "step", "occurred_at", "source", "category", "severity", "note", "anchor", "customer_at", "id"),
)


def to_rows(id: int, event: TouchpointApplied, payload: CaseStep) -> list[Row]:
    return [
        (
            event.touchpoint.event_id,
            payload.case_id,
            payload.step,
            micros(event.touchpoint.occurred_at),
            event.touchpoint.source,
            payload.category or "",
            payload.severity or "",
            payload.note or "",
            event.anchor,
            event.customer_id,
            id,
        )
    ]
