"""ClickHouse, as the rest of Rapport sees it: the only place that opens a connection to it.

Values of an insert are in the form that the native protocol takes fastest: DateTime64 as integers of its ticks (a fifteenth
of what datetimes cost), UUIDs as ``uuid.UUID``, texts as str or bytes.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from clickhouse_driver import Client
from clickhouse_driver.errors import Error, ErrorCodes, NetworkError, PartiallyConsumedQueryError, ServerException, SocketTimeoutError

T = TypeVar("T")
PAUSES = (0.05, 0.25, 1.0)
"""Seconds before each further attempt of a call that may be repeated."""
INSERT_SETTINGS: dict[str, Any] = {
    "async_insert": 0,  # deduplication needs an insert to be one block, acknowledged when it is written
    "max_partitions_per_insert_block": 0,  # a batch may span many years
    "insert_null_as_default": 0,
}
TABLES_GONE = (ErrorCodes.UNKNOWN_TABLE, ErrorCodes.UNKNOWN_DATABASE)
_BUSY = frozenset(
    {
        ErrorCodes.TIMEOUT_EXCEEDED,
        ErrorCodes.SOCKET_TIMEOUT,
        ErrorCodes.NETWORK_ERROR,
        ErrorCodes.TOO_MANY_SIMULTANEOUS_QUERIES,
        ErrorCodes.MEMORY_LIMIT_EXCEEDED,
        ErrorCodes.TABLE_IS_READ_ONLY,
        ErrorCodes.NOT_ENOUGH_SPACE,
        ErrorCodes.TOO_MANY_PARTS,
        ErrorCodes.ABORTED,
        ErrorCodes.QUERY_WAS_CANCELLED,
    }
)


class WarehouseAway(Exception):
    """Raised when ClickHouse cannot be reached, does not answer in time, or has no room just now. Whether the call had an
    effect is not known: repeat it if it may be repeated."""


class WarehouseRefused(Exception):
    """Raised when ClickHouse answers that it will not do this: an error in the query, the schema or the rights.

    ``code`` is ClickHouse's own, such as 60 for an unknown table.
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Answer(NamedTuple):
    """Rows, and the names of their columns."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]


class Warehouse:
    """One connection, opened when first used and again after it broke. Not for two threads at a time."""

    def __init__(self, address: str, connect_seconds: float = 5.0, answer_seconds: float = 60.0, pauses: Sequence[float] = PAUSES) -> None:
        """``address``: clickhouse://user:password@host:9000 with clickhouse-driver's options behind ``?``. ``pauses``: before
        each further attempt of what may be repeated."""
        defaults = f"compression=lz4&connect_timeout={connect_seconds}&send_receive_timeout={answer_seconds}"
        self._address = f"{address}{'&' if '?' in address else '?'}{defaults}"  # the driver takes the first of a name
        self._pauses = tuple(pauses)
        self._client: Client | None = None

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
        """All rows in one block. They must identify themselves: after a lost answer they are inserted once more."""
        if not rows:
            return
        statement = f"INSERT INTO {table} ({', '.join(columns)}) VALUES"
        values = list(zip(*rows, strict=True))
        self._repeated(lambda client: client.execute(statement, values, columnar=True, settings=INSERT_SETTINGS))

    def select(self, query: str, parameters: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """``%(name)s`` in the query is replaced by the escaped parameter; then a per cent sign is written ``%%``."""
        return list(self._repeated(lambda client: client.execute(query, dict(parameters) if parameters else None)))

    def ask(self, query: str, parameters: Mapping[str, Any] | None = None) -> Answer:
        """As ``select``, with the columns' names."""
        rows, columns = self._repeated(
            lambda client: client.execute(query, dict(parameters) if parameters else None, with_column_types=True)
        )
        return Answer(tuple(name for name, _ in columns), rows)

    def command(self, statement: str) -> None:
        """A statement that may be repeated, such as CREATE … IF NOT EXISTS."""
        self._repeated(lambda client: client.execute(statement))

    def close(self) -> None:
        if self._client is not None:
            self._client.disconnect()
            self._client = None

    def _repeated(self, call: Callable[[Any], T]) -> T:
        for pause in self._pauses:
            try:
                return self._once(call)
            except WarehouseAway:
                time.sleep(pause)
        return self._once(call)

    def _once(self, call: Callable[[Any], T]) -> T:
        try:
            return call(self._connected())
        except ServerException as error:
            self.close()
            if error.code in _BUSY:
                raise WarehouseAway(_first_line(error)) from error
            raise WarehouseRefused(error.code, _first_line(error)) from error
        except (NetworkError, SocketTimeoutError, PartiallyConsumedQueryError, OSError, EOFError) as error:
            self.close()
            raise WarehouseAway(f"no answer from ClickHouse: {error!r}") from error
        except (Error, ValueError, TypeError, AttributeError):
            self.close()  # half an insert may have been sent
            raise

    def _connected(self) -> Any:
        if self._client is None:
            logging.getLogger("clickhouse_driver").setLevel(logging.CRITICAL)  # a traceback for each attempt: we raise it in a line
            self._client = Client.from_url(self._address)
        return self._client


def _first_line(error: ServerException) -> str:
    return str(error.message).split(" Stack trace:", 1)[0].split("\n", 1)[0]
