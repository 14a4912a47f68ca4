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


def faults_of_order(topic: str, records: Iterable[Published]) -> tuple[list[str], int]:
    """What is wrong, and how many messages were repeats. Repeats are equal to what they repeat; sequences have no hole.

    ``records``: the whole topic, each partition's in order.
    """
    highest: dict[int, int] = {}
    sequence: dict[bytes | None, int] = {}
    said: dict[int, tuple[bytes | None, bytes | None]] = {}
    wrong: list[str] = []
    repeats = 0
    for record in records:
        headers = dict(record.headers)
        id, number = int(headers["id"]), int(headers["sequence"])
        if said.setdefault(id, (record.key, record.value)) != (record.key, record.value):
            wrong.append(f"{topic}:{record.partition}:{record.offset}: id {id} says two things")
        if id <= highest.get(record.partition, 0):
            repeats += 1
            continue
        highest[record.partition] = id
        before = sequence.get(record.key, 0)
        if number != before + 1:
            wrong.append(f"{topic}:{record.partition}:{record.offset}: {record.key!r} goes from sequence {before} to {number}")
        sequence[record.key] = number
    return wrong, repeats
