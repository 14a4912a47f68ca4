"""What changed customers, besides touchpoints."""

from uuid import UUID

from services.projections.messages import (
    CustomerMergedInto,
    CustomersMerged,
    Held,
    IdentifiersJoined,
    IdentifiersLeft,
    LifecycleChanged,
    LinkRefused,
    micros,
)
from services.projections.table import Row, Table

TABLE = Table(
    "customer_changes",
    (
        "customer",
        "sequence",
        "event",
        "recorded_at",
        "effective_at",
        "cause",
        "other",
        "identifiers",
        "before",
        "after",
        "reason",
        "id",
    ),
)
Change = CustomersMerged | CustomerMergedInto | IdentifiersJoined | IdentifiersLeft | LinkRefused | LifecycleChanged


def to_rows(id: int, event: Change) -> list[Row]:
    name, other, identifiers = _who(event)
    recorded_at = micros(event.recorded_at)
    effective_at, before, after, reason = recorded_at, "", "", ""
    if isinstance(event, LifecycleChanged):
        effective_at, before, after = micros(event.effective_at), event.before or "", event.after
    elif isinstance(event, LinkRefused):
        reason = event.reason
    said = [str(identifier) for identifier in identifiers]
    return [(event.customer_id, event.sequence, name, recorded_at, effective_at, event.cause, other, said, before, after, reason, id)]


def _who(event: Change) -> tuple[str, UUID | None, list[Held]]:
    """The event's name, the other customer, and the identifiers that it is about."""
    match event:
        case CustomersMerged():
            return "customers_merged", event.merged, event.identifiers
        case CustomerMergedInto():
            return "customer_merged_into", event.survivor, []
        case IdentifiersJoined():
            return "identifiers_joined", event.former, event.identifiers
        case IdentifiersLeft():
            return "identifiers_left", event.holder, event.identifiers
        case LinkRefused():
            return "link_refused", None, [event.anchor, event.refused]
        case LifecycleChanged():
            return "lifecycle_changed", None, []
