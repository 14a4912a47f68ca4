"""Who holds each identifier. The message with the highest notification id is right, whatever arrives first."""

from uuid import UUID

from services.projections.messages import CustomersMerged, Held, IdentifiersJoined, IdentifiersLeft, TouchpointApplied, micros
from services.projections.table import Row, Table

TABLE = Table("identifier_holders", ("identifier", "type", "value", "customer", "since", "id"))


def to_rows(id: int, event: TouchpointApplied | CustomersMerged | IdentifiersJoined | IdentifiersLeft) -> list[Row]:
    holder, held = holder_of(event)
    since = micros(event.recorded_at)
    return [(identifier.id, identifier.type, identifier.value, holder, since, id) for identifier in held]


def holder_of(event: TouchpointApplied | CustomersMerged | IdentifiersJoined | IdentifiersLeft) -> tuple[UUID, list[Held]]:
    """Who holds what from this event on."""
    if isinstance(event, TouchpointApplied):
        return event.customer_id, event.joined
    if isinstance(event, IdentifiersLeft):
        return event.holder, event.identifiers
    return event.customer_id, event.identifiers
