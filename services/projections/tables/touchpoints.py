"""Every touchpoint, once."""

from typing import Any

from services.projections.messages import CaseStep, Talk, TouchpointApplied, micros, micros_or_none
from services.projections.table import Row, Table

TABLE = Table(
    "touchpoints",
    (
        "event_id",
        "type",
        "version",
        "occurred_at",
        "received_at",
        "original_timestamp",
        "recorded_at",
        "source",
        "identifiers",
        "direction",
        "conversation",
        "sentiment",
        "payload",
        "context",
        "anchor",
        "customer_at",
        "sequence",
        "id",
    ),
)


def to_rows(id: int, event: TouchpointApplied, payload: Any) -> list[Row]:
    touchpoint = event.touchpoint
    direction, conversation, sentiment = talk_of(payload)
    return [
        (
            touchpoint.event_id,
            touchpoint.type,
            touchpoint.version,
            micros(touchpoint.occurred_at),
            micros(touchpoint.received_at),
            micros_or_none(touchpoint.original_timestamp),
            micros(event.recorded_at),
            touchpoint.source,
            [str(identifier) for identifier in touchpoint.identifiers],
            direction,
            conversation,
            sentiment,
            bytes(touchpoint.payload),
            bytes(touchpoint.context),
            event.anchor,
            event.customer_id,
            event.sequence,
            id,
        )
    ]


def talk_of(payload: Any) -> tuple[str, str, float | None]:
    """Who spoke, in which conversation, in what mood. A complaint is a conversation: received or reopened by the customer,
    answered by us (as the profile stage counts response times)."""
    if isinstance(payload, Talk):
        conversation = payload.conversation_id or (f"case:{payload.case_id}" if payload.case_id else "")
        return payload.direction, conversation, payload.sentiment
    if isinstance(payload, CaseStep):
        if payload.step in ("received", "reopened"):
            return "inbound", f"case:{payload.case_id}", None
        if payload.step == "answered":
            return "outbound", f"case:{payload.case_id}", None
    return "", "", None
