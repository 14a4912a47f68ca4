"""Two sets of ClickHouse's tables compared by customer: checksums made there, by bucket, then by customer where a bucket differs,
then row by row for the customers that differ."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from services.proof.progress import Progress
from services.proof.scope import Scope
from services.proof.shown import Shown, differences
from services.proof.stores_compared import DETAILED, Compared
from services.proof.tables import VIEWS, View
from services.runtime.warehouse import Warehouse

BUCKETS = 4_096
CUSTOMERS_A_QUERY = 5_000
Sums = dict[Any, tuple[int, int, int]]


@dataclass(frozen=True, slots=True)
class _Question:
    """Asks one view of a database for checksums and rows. ``expected``: the database to compare with."""

    warehouse: Warehouse
    view: View
    columns: tuple[str, ...]
    expected: str

    def source(self, database: str) -> str:
        """The view there."""
        return f"{database}.{self.view.told if self.view.told and database == self.expected else self.view.name}"

    @property
    def where(self) -> str:
        return self.view.where.replace("EXPECTED", self.expected)

    def sums(self, database: str, by: str, customers: tuple[str, ...] | None = None) -> Sums:
        """``by`` an expression over ``customer`` → how many rows, and two sums of their hashes."""
        which = "" if customers is None else "WHERE customer IN %(customers)s"
        query = f"""
            SELECT {by} AS part, count(), groupBitXor(hash), sum(hash)
            FROM (SELECT toString({self.view.customer}) AS customer, cityHash64(toString(tuple({", ".join(self.columns)}))) AS hash
                  FROM {self.source(database)} WHERE {self.where})
            {which} GROUP BY part
            """
        found = self.warehouse.select(query, {"customers": customers} if customers is not None else None)
        return {part: (count, xor, total) for part, count, xor, total in found}

    def customers_in(self, database: str, buckets: tuple[int, ...]) -> Sums:
        """By customer, in those buckets."""
        query = f"""
            SELECT customer, count(), groupBitXor(hash), sum(hash)
            FROM (SELECT toString({self.view.customer}) AS customer, cityHash64(toString(tuple({", ".join(self.columns)}))) AS hash
                  FROM {self.source(database)} WHERE {self.where})
            WHERE cityHash64(customer) %% {BUCKETS} IN %(buckets)s GROUP BY customer
            """
        return {part: (count, xor, total) for part, count, xor, total in self.warehouse.select(query, {"buckets": buckets})}

    def rows(self, database: str, customers: tuple[str, ...]) -> list[Shown]:
        """Whole rows of these customers."""
        names = ", ".join(self.columns)
        query = f"""
            SELECT toString({self.view.customer}) AS whose, {names} FROM {self.source(database)}
            WHERE {self.where} AND whose IN %(customers)s
            """
        return [self._shown(whose, values) for whose, *values in self.warehouse.select(query, {"customers": customers})]

    def _shown(self, whose: str, values: list[Any]) -> Shown:
        fields = dict(zip(self.columns, values, strict=True))
        return Shown(whose, self.view.name, " ".join(str(fields[name]) for name in self.view.key), fields)


def compare_tables(
    warehouse: Warehouse, expected: str, found: str, scope: Scope, progress: Progress, views: Iterable[View] = VIEWS
) -> list[Compared]:
    """Views of database ``found`` against those of ``expected``, one result a view. Raises what the warehouse raises."""
    every = list(views)
    compared = []
    for number, view in enumerate(every):
        progress("comparing ClickHouse's tables", number, len(every))
        compared.append(_compared(_Question(warehouse, view, _columns(warehouse, view, expected), expected), expected, found, scope))
    progress("comparing ClickHouse's tables", len(every), len(every))
    return compared


def _columns(warehouse: Warehouse, view: View, database: str) -> tuple[str, ...]:
    names = [row[0] for row in warehouse.select(f"DESCRIBE TABLE {database}.{view.told or view.name}")]
    return tuple(name for name in names if name not in view.history)


def _compared(question: _Question, expected: str, found: str, scope: Scope) -> Compared:
    which, customers = _who_differs(question, expected, found, scope)
    compared = Compared(question.view.title, customers, which)
    if which:
        some = tuple(sorted(which)[:DETAILED])
        compared.differences = list(differences("ClickHouse", question.rows(expected, some), question.rows(found, some)))
    return compared


def _who_differs(question: _Question, expected: str, found: str, scope: Scope) -> tuple[set[str], int]:
    """The customers that differ, and how many were compared."""
    if scope.only is not None:
        wanted, there = (_sums_of(question, database, sorted(scope.only)) for database in (expected, found))
        return scope.of(_unequal(wanted, there)), len(scope.of(wanted))
    bucket = f"cityHash64(customer) % {BUCKETS}"
    buckets = _unequal(question.sums(expected, bucket), question.sums(found, bucket))
    count = question.warehouse.select(
        f"SELECT uniqExact(toString({question.view.customer})) FROM {question.source(expected)} WHERE {question.where}"
    )[0][0]
    if not buckets:
        return set(), count
    places = tuple(sorted(buckets))
    return scope.of(_unequal(question.customers_in(expected, places), question.customers_in(found, places))), count


def _sums_of(question: _Question, database: str, customers: list[str]) -> Sums:
    sums: Sums = {}
    for start in range(0, len(customers), CUSTOMERS_A_QUERY):
        sums |= question.sums(database, "customer", tuple(customers[start : start + CUSTOMERS_A_QUERY]))
    return sums


def _unequal(expected: Sums, found: Sums) -> set[Any]:
    return {part for part in expected.keys() | found.keys() if expected.get(part) != found.get(part)}
