"""Trace contexts of events that are not published yet, stored in the transaction of their events: a crash in between loses none.

Rows of the kind TRACES, notification id -> traceparent. Where nothing is traced there are none, and nothing is written or looked for but
in what is read from the store anyway. Rows go with the next transaction after their events are published.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Protocol

from services.runtime.event_store import TRACES, RecordedEvent, Transaction


class TraceRows(Protocol):
    """The part of the event store in which they are."""

    def rows(self, kind: str, keys: Collection[str]) -> dict[str, bytes]: ...
    def all_rows(self, kind: str) -> Iterator[tuple[str, bytes]]: ...


class KeptTraces:
    """``by_id``: of the events that this process is to publish, as far as it knows."""

    def __init__(self, store: TraceRows) -> None:
        self._store = store
        self.by_id: dict[int, bytes] = {}
        self._old: list[int] = []
        self._going = 0

    def lead(self, published: int) -> None:
        """This process publishes from now on. Rows that outlived their events' publishing go soon."""
        self.by_id.clear()
        self._old = [int(id) for id, _ in self._store.all_rows(TRACES) if int(id) <= published]
        self._going = 0

    def write(self, transaction: Transaction, first: int) -> None:
        """Adds the rows of its events, whose ids run on from ``first``, and takes away those of published ones."""
        self._going = len(self._old)
        if transaction.traces or (self._old and transaction.changes_state()):
            old: dict[str, bytes | None] = dict.fromkeys((str(id) for id in self._old), None)
            transaction.rows[TRACES] = old | {str(first + index): found for index, found in transaction.traces.items()}

    def committed(self, first: int, traces: Mapping[int, bytes]) -> None:
        del self._old[: self._going]
        self._going = 0
        self.by_id |= {first + index: found for index, found in traces.items()}

    def load(self, events: Sequence[RecordedEvent]) -> None:
        """Of events that were read from the store."""
        found = self._store.rows(TRACES, [str(event.id) for event in events])
        self.by_id |= {int(id): traceparent for id, traceparent in found.items()}

    def published(self, last: int) -> None:
        """Every event up to that id is."""
        if self.by_id:
            done = [id for id in self.by_id if id <= last]
            self._old += done
            for id in done:
                del self.by_id[id]
