"""The events in a stage's store against what Kafka has of them, one by one: every bit of what was published."""

from collections.abc import AsyncIterator
from uuid import UUID

from services.proof.history import event_of
from services.proof.holders import Holders
from services.proof.scope import Scope
from services.proof.shown import MISSING, Difference
from services.proof.stores_compared import DETAILED, Compared
from services.runtime.event_store import RecordedEvent
from services.runtime.log_reader import Fetched
from services.runtime.store_snapshot import StoreSnapshot

STATE = "message"


async def compare_published(stage: str, store: StoreSnapshot, topics: AsyncIterator[Fetched], holders: Holders, scope: Scope) -> Compared:
    """``topics``: the stage's events and quarantine as they are on Kafka, whole; everything in the store must be published."""
    last_id = store.last_id()
    said: dict[int, tuple[UUID, int, int]] = {}
    async for fetched in topics:
        for records in fetched.values():
            for record in records:
                event = event_of(stage, record)
                if event is not None and event.id <= last_id:
                    said[event.id] = event.originator, event.version, _digest(event)
    compared = Compared(f"{stage}'s events on Kafka", 0, set())
    customers = set()
    for event in store.events():
        known = said.pop(event.id, None)
        whose = "" if event.type == "quarantined" else holders.of(str(event.originator))
        customers.add(whose)
        if known != (event.originator, event.version, _digest(event)) and whose in scope:
            expected = MISSING if known is None else "as published"
            key = f"{event.originator}:{event.version}"
            _note(compared, Difference(whose, compared.store, "events", key, STATE, expected, event.type))
    for originator, version, _ in said.values():
        whose = holders.of(str(originator))
        if whose in scope:
            _note(compared, Difference(whose, compared.store, "events", f"{originator}:{version}", "", "as published", MISSING))
    compared.customers = len(scope.of(customers - {""}))
    return compared


def _digest(event: RecordedEvent) -> int:
    return hash((event.originator.bytes, event.version, event.type, event.state))


def _note(compared: Compared, difference: Difference) -> None:
    compared.unequal.add(difference.customer)
    if len(compared.differences) < DETAILED:
        compared.differences.append(difference)
