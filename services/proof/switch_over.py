"""Puts rebuilt tables in the place of the live ones, in one statement, while the projections go on writing.

What they write between the last catching up and the exchange goes into the tables that are kept; it is read again from Kafka and
written to those in use: rows name themselves, so that a message written twice counts once. What is under way is recorded, so that
after a crash the same command goes on.
"""

from collections.abc import Mapping

from services.projections.migrating import store_of
from services.projections.routing import TABLES
from services.runtime.batches import TP
from services.runtime.warehouse import Warehouse

BUILDING, SWITCHING, SWITCHED = "building", "switching", "switched"


class SwitchOver:
    """``database``: what analysts read; ``beside``: where the new tables are, and afterwards the former ones."""

    def __init__(self, warehouse: Warehouse, once: Warehouse, database: str, beside: str) -> None:
        """``once`` never repeats a statement: an exchange that is made twice is none."""
        self._warehouse, self._once, self._live, self._beside = warehouse, once, store_of(database), store_of(beside)
        self._database_beside = beside

    def phase(self) -> str:
        """Empty where nothing was begun."""
        there = "SELECT count() FROM system.tables WHERE database = %(store)s AND name = 'rebuild'"
        if not self._warehouse.select(there, {"store": self._beside})[0][0]:
            return ""
        return self._recorded().get("phase", BUILDING)

    def begin(self) -> None:
        """Records that building has begun; the database must be there."""
        self._warehouse.command(
            f"CREATE TABLE IF NOT EXISTS {self._beside}.rebuild (what String, value String, at DateTime64(6, 'UTC') DEFAULT now64(6)) "
            "ENGINE = ReplacingMergeTree(at) ORDER BY what SETTINGS fsync_after_insert = 1 COMMENT 'How far a rebuild has come'"
        )
        self._record({"phase": BUILDING})

    def exchange(self, reached: Mapping[TP, int]) -> None:
        """The new tables in the place of the live ones, or of those that were dropped; again after a crash it does what was not
        done. ``reached``: how far the new ones have come."""
        if self.phase() == BUILDING:
            names = {f"table {table}": uuid for table, uuid in self._uuids(self._beside).items()}
            marks = {f"position {tp.topic}:{tp.partition}": str(next) for tp, next in reached.items()}
            self._record(names | marks)
            self._record({"phase": SWITCHING})
        new, live = self._recorded(), self._uuids(self._live)
        if waiting := [name for name, uuid in live.items() if uuid != new[f"table {name}"]]:
            pairs = ", ".join(f"{self._live}.{name} AND {self._beside}.{name}" for name in waiting)
            self._once.command(f"EXCHANGE TABLES {pairs}")
        if dropped := [table.name for table in TABLES if table.name not in live]:
            moves = ", ".join(f"{self._beside}.{name} TO {self._live}.{name}" for name in dropped)
            self._once.command(f"RENAME TABLE {moves}")

    def reached(self) -> dict[TP, int]:
        """How far the new tables had come when they were exchanged."""
        marks = {what.removeprefix("position "): value for what, value in self._recorded().items() if what.startswith("position ")}
        return {TP(name.rpartition(":")[0], int(name.rpartition(":")[2])): int(next) for name, next in marks.items()}

    def done(self) -> None:
        self._record({"phase": SWITCHED})

    def drop(self) -> None:
        """What is beside the live tables, whatever it is."""
        for name in (self._database_beside, self._beside):
            self._warehouse.command(f"DROP DATABASE IF EXISTS {name} SYNC")

    def _uuids(self, store: str) -> dict[str, str]:
        query = "SELECT name, toString(uuid) FROM system.tables WHERE database = %(store)s"
        found: dict[str, str] = dict(self._warehouse.select(query, {"store": store}))
        return {table.name: found[table.name] for table in TABLES if table.name in found}

    def _recorded(self) -> dict[str, str]:
        return dict(self._warehouse.select(f"SELECT what, value FROM {self._beside}.rebuild FINAL"))

    def _record(self, values: Mapping[str, str]) -> None:
        self._warehouse.insert(f"{self._beside}.rebuild", ("what", "value"), list(values.items()))
