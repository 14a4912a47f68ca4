"""A table that projections fill."""

from dataclasses import dataclass
from typing import Any

Row = tuple[Any, ...]


@dataclass(frozen=True, eq=False, slots=True)
class Table:
    """``name`` in the storage database, and its columns in the order of a row. Each is one object, told apart by identity:
    it is looked up for every message.

    Values are what the native protocol takes fastest: integers of microseconds for times, UUID objects, bytes or text for strings.
    """

    name: str
    columns: tuple[str, ...]
