"""What the stream hands to a sink, and what a sink must promise."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from services.runtime.event_store import Stale
from services.runtime.stage import Record

__all__ = ["TP", "Batch", "LogLost", "NotYet", "Sink", "Stale"]


class TP(NamedTuple):
    """A partition of a topic; equal to, and hashed as, Faust's and aiokafka's."""

    topic: str
    partition: int


class Batch(NamedTuple):
    """Every readable record of one partition with start <= offset < next, in order; at least one."""

    tp: TP
    start: int
    next: int
    records: Sequence[Record]
    epoch: int  # grows with each seek of the partition
    generation: int  # of the consumer group


class LogLost(Exception):
    """Kafka lost what was not read yet, or the topic was made anew. Ends the process: a person must look."""


class NotYet(Exception):
    """Raised by a sink that can take no more at the moment: backpressure. The same batches are offered again at once,
    so whoever raises it has waited a little."""


class Sink(Protocol):
    """Where batches go. It owns the positions: Kafka's committed offsets are for lag dashboards and never read."""

    async def positions(self, tps: Iterable[TP]) -> Mapping[TP, int]:
        """The next offset to read of each partition; one never read is left out, and starts at 0. Called after every
        rebalance and after Stale, while `apply` may be running."""

    async def apply(self, batches: Sequence[Batch]) -> None:
        """Effects and positions of the joined batches, all or nothing; one call at a time.

        Where a stored position is not a batch's `start`: Stale, and all partitions are read again from `positions`.
        After any other exception it is called again with the same batches, with growing pauses, until it works or
        the batches are no longer this process's. It may return before what it did is durable if it repeats that
        until it is, or raises Stale from a later call should that fail.
        """


class TickingSink(Sink, Protocol):
    """A sink that has something to do when no batch comes."""

    async def tick(self) -> None:
        """Called about ten times a second between calls of `apply`. Exceptions: as for `apply`, but without repeats."""
