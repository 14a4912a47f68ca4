"""A table that projections fill."""

from typing import Any, NamedTuple

Row = tuple[Any, ...]


class Table(NamedTuple):
    """``name`` in the storage database, and its columns in the order of a row.

    Values are what the native protocol takes fastest: integers of microseconds for times, UUID objects, bytes or text for strings.
    """

    name: str
    columns: tuple[str, ...]
