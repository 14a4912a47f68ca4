"""What a stage's business part must offer to be run by the worker (worker.py), and what it is given."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from services.runtime.event_store import Transaction


class Record(Protocol):
    """One Kafka record, as aiokafka's ConsumerRecord has it. `timestamp` is in epoch milliseconds."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...
    @property
    def timestamp(self) -> int: ...


class Message(NamedTuple):
    """One message to publish; its partition follows from its key as Kafka's own clients choose it."""

    topic: str
    key: bytes
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


class Stage(Protocol):
    """Synchronous, called from one thread at a time; reads the store, never writes it.

    Between `decide` and its commit the stage may count on its own transaction: its caches run ahead of the store. If
    the commit fails, `forget` is called before anything else.
    """

    @property
    def name(self) -> str: ...

    @property
    def route(self) -> Mapping[str, str]:
        """Event type -> the topic on which it is published, keyed by its originator's UUID as text."""

    def decide(self, records: Sequence[Record]) -> Transaction:
        """Records of one or more partitions, each partition's in order. The positions are filled in by the worker.

        Must not raise for bad input: an exception is retried for ever.
        """

    def tick(self, now_ms: int) -> Transaction | None:
        """What is due by time alone; None: nothing. Called about once a second, and at once again after anything."""

    def snapshots(self, originators: Collection[UUID]) -> Iterable[Message]:
        """The newest state of each, for a compacted topic. Called when everything decided is committed."""

    def forget(self) -> None:
        """Drop every cache: a commit failed, another writer committed, or the group's partitions moved."""


class CommandedStage(Stage, Protocol):
    """A stage that also takes commands (commands.py)."""

    def answer(self, commands: Sequence[Any]) -> tuple[Transaction, Sequence[Any]]:
        """Decides each as if those before it were through; answers in their order. Called when all that was decided before is
        committed, and answers are given only once the transaction is too: where another writer was faster, it is called anew."""
