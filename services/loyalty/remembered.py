"""A bounded memory of what was read or written last, in two generations: a hit costs one look-up."""

from typing import Generic, TypeVar

V = TypeVar("V")


class Remembered(Generic[V]):
    """Between ``limit`` and twice as many. What was got or put since the last but one ``age`` is always there."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._young: dict[str, V] = {}
        self._old: dict[str, V] = {}

    def get(self, key: str) -> V | None:
        found = self._young.get(key)
        if found is None and (found := self._old.get(key)) is not None:
            self._young[key] = found
        return found

    def put(self, key: str, value: V) -> None:
        self._young[key] = value

    def age(self) -> None:
        """Call it between batches."""
        if len(self._young) > self._limit:
            self._old, self._young = self._young, {}

    def forget(self) -> None:
        self._young, self._old = {}, {}
