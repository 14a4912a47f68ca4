"""What was taken in and waits to be written, with the positions it leads to. Pure."""

from collections.abc import Mapping, Sequence
from typing import Generic, Protocol, TypeVar

from schemas import topics
from services.projections.batch_rows import BatchRows, Record, rows_of_batch
from services.projections.table import Row
from services.projections.tables import touchpoints

TOUCHPOINTS_COME_BY = topics.PROFILE_CHANGES.name


class Batch(Protocol):
    """As the stream hands it over; ``tp`` is its topic and partition."""

    @property
    def tp(self) -> tuple[str, int]: ...
    @property
    def next(self) -> int: ...
    @property
    def epoch(self) -> int: ...
    @property
    def records(self) -> Sequence[Record]: ...


B = TypeVar("B", bound=Batch)


class KeptRows(Generic[B]):
    """Touchpoints, and the rest: rows of other tables, and messages of other topics, which become rows when they are asked for, so that
    of several snapshots of a customer only the last is read."""

    def __init__(self, before: Mapping[tuple[str, int], B] | None = None) -> None:
        """``before``: the last batch of each partition that was added to what is written already, or being written."""
        self.messages = 0
        self._rows = BatchRows()
        self._unread: list[B] = []
        self._before, self._reached = before or {}, dict[tuple[str, int], B]()

    def has(self, batch: B) -> bool:
        """Whether it was added. Batches of a partition come in their order, unless it is read again: that is another epoch."""
        last = self._reached.get(batch.tp) or self._before.get(batch.tp)
        return last is not None and last.epoch == batch.epoch and batch.next <= last.next

    def add(self, batches: Sequence[B]) -> None:
        """All of them or, where one raises, none."""
        read = [batch for batch in batches if batch.tp[0] == TOUCHPOINTS_COME_BY]
        self._rows.add(rows_of_batch(record for batch in read for record in batch.records))
        self._unread += [batch for batch in batches if batch.tp[0] != TOUCHPOINTS_COME_BY]
        self._reached |= {batch.tp: batch for batch in batches}
        self.messages += sum(len(batch.records) for batch in batches)

    def take_touchpoints(self) -> Sequence[Row]:
        """Those that came since it was last asked: whoever takes them writes them before the rest."""
        return self._rows.rows.pop(touchpoints.TABLE, ())

    def rest(self) -> BatchRows:
        """Every other row, touchpoints that nobody took among them, and what became of all the messages."""
        rest = rows_of_batch(record for batch in self._unread for record in batch.records)
        rest.add(self._rows)
        return rest

    def next(self) -> "KeptRows[B]":
        """What comes after it."""
        return KeptRows({**self._before, **self._reached})

    def reached(self) -> Sequence[B]:
        """The last batch of each partition."""
        return list(self._reached.values())
