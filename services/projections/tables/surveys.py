"""Surveys, answered or not."""

from services.projections.messages import Survey, TouchpointApplied, micros
from services.projections.table import Row, Table

TABLE = Table(
    "surveys",
    (
        "event_id",
        "occurred_at",
        "source",
        "kind",
        "score",
        "scale",
        "expected",
        "comment",
        "about_type",
        "about_id",
        "anchor",
        "customer_at",
        "id",
    ),
)


def to_rows(id: int, event: TouchpointApplied, payload: Survey) -> list[Row]:
    about = payload.about
    return [
        (
            event.touchpoint.event_id,
            micros(event.touchpoint.occurred_at),
            event.touchpoint.source,
            payload.kind,
            payload.score,
            payload.scale,
            payload.expected,
            payload.comment or "",
            about.type if about else "",
            about.id if about else "",
            event.anchor,
            event.customer_id,
            id,
        )
    ]
