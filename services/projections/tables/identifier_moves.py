"""Identifiers that changed hands: the small table that every view joins to find a row's customer.

An identifier that never moved is still held by the customer for which its touchpoints were counted.
"""

from services.projections.messages import CustomersMerged, IdentifiersJoined, IdentifiersLeft
from services.projections.table import Row, Table
from services.projections.tables.customer_identifiers import holder_of

TABLE = Table("identifier_moves", ("identifier", "customer", "id"))


def to_rows(id: int, event: CustomersMerged | IdentifiersJoined | IdentifiersLeft) -> list[Row]:
    holder, held = holder_of(event)
    return [(identifier.id, holder, id) for identifier in held]
