"""I4: what was published, read as a subscriber reads it. Pure."""

from collections.abc import Iterable
from typing import Protocol


class Published(Protocol):
    """A record of a topic that an outbox fills."""

    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Iterable[tuple[str, bytes]]: ...


class Order:
    """Of one topic, each partition's records in order. ``wrong``: repeats are not equal to what they repeat, or a sequence has a hole."""

    def __init__(self, topic: str) -> None:
        self.topic, self.messages, self.repeats = topic, 0, 0
        self.wrong: list[str] = []
        self._highest: dict[int, int] = {}
        self._sequence: dict[bytes | None, int] = {}
        self._said: dict[int, int] = {}

    def take(self, records: Iterable[Published]) -> None:
        """What follows on what was taken before."""
        for record in records:
            self.messages += 1
            self._take(record, f"{self.topic}:{record.partition}:{record.offset}")

    def _take(self, record: Published, place: str) -> None:
        headers = dict(record.headers)
        id, number, said = int(headers["id"]), int(headers["sequence"]), hash((record.key, record.value))
        if self._said.setdefault(id, said) != said:
            self.wrong.append(f"{place}: id {id} says two things")
        if id <= self._highest.get(record.partition, 0):
            self.repeats += 1
            return
        self._highest[record.partition] = id
        before = self._sequence.get(record.key, 0)
        if number != before + 1:
            self.wrong.append(f"{place}: {record.key!r} goes from sequence {before} to {number}")
        self._sequence[record.key] = number
