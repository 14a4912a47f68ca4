"""Makes the tables and views: numbered SQL files, each applied once and recorded."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

from services.runtime.settings import Settings
from services.runtime.warehouse import Warehouse

_STATEMENT_END = re.compile(r";[ \t]*(?:\n|\Z)")
_COMMENT_LINE = re.compile(r"^--.*\n?", re.MULTILINE)
_MADE = re.compile(r"CREATE (?:TABLE IF NOT EXISTS|OR REPLACE VIEW) (\S+)")
_TABLE = re.compile(r"CREATE TABLE IF NOT EXISTS \S+\.(\S+)")
_DATABASE = re.compile(r"\brapport(?=(_store)?\.)")


REMEDY = "`rapport rebuild projections` makes and fills them from the log"


class MigrationChanged(Exception):
    """Raised by ``migrate``: a file that was applied before reads otherwise now. Restore it and write a new one."""


class TablesGone(Exception):
    """Raised by ``migrate`` and ``verify``: somebody dropped tables, and the stored positions say that what was in them need not be read
    again. Made empty they would stay incomplete without a word, so that only a rebuild may make them."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(f"dropped from ClickHouse: {', '.join(names)}. {REMEDY}")


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file: its statements are applied in order, and may be applied again, all that follow with it."""

    name: str
    statements: tuple[str, ...]
    digest: str

    @property
    def makes(self) -> set[str]:
        """Tables and views, with their databases."""
        return {made[1] for statement in self.statements if (made := _MADE.match(statement))}

    @property
    def tables(self) -> set[str]:
        """Those that hold rows."""
        return {made[1] for statement in self.statements if (made := _TABLE.match(statement))}


def migrations(database: str) -> list[Migration]:
    """All of them in order, for analysts' ``database`` and its storage."""
    files = sorted((file for file in resources.files(__package__).joinpath("migrations").iterdir()), key=lambda file: file.name)
    return [_read(file.name, file.read_text(encoding="utf-8"), database) for file in files if file.name.endswith(".sql")]


def _read(name: str, text: str, database: str) -> Migration:
    named = _DATABASE.sub(database, _COMMENT_LINE.sub("", text))
    statements = tuple(statement.strip() for statement in _STATEMENT_END.split(named) if statement.strip())
    return Migration(name.removesuffix(".sql"), statements, hashlib.sha256(text.encode()).hexdigest())


def store_of(database: str) -> str:
    """The database that holds the rows; analysts read the views of ``database``."""
    return f"{database}_store"


def migrate(settings: Settings) -> list[str]:
    """Applies what is missing and returns its names: what was never applied, or made a table or view that is not there, and what came
    after that. Safe to run side by side, and again after an interruption.

    Raises MigrationChanged, TablesGone, WarehouseAway, WarehouseRefused.
    """
    warehouse = Warehouse(settings.clickhouse.address)
    try:
        return migrate_with(warehouse, settings.clickhouse.database)
    finally:
        warehouse.close()


def migrate_with(warehouse: Warehouse, database: str) -> list[str]:
    if gone := tables_gone(warehouse, database):
        raise TablesGone(gone)
    store = store_of(database)
    applied = _applied(warehouse, store)
    there = _tables_and_views(warehouse, database)
    done: list[str] = []
    for migration in migrations(database):
        known = applied.get(migration.name)
        if known not in (None, migration.digest):
            raise MigrationChanged(f"{migration.name}.sql was applied with other content: restore it, and add a new file for changes")
        if known is None or done or not migration.makes <= there:  # later files replace views of earlier ones
            _apply(warehouse, store, migration)
            done.append(migration.name)
    return done


def tables_gone(warehouse: Warehouse, database: str) -> list[str]:
    """Tables that are missing though messages were read into them. Where the positions are gone too there are none: all is read again."""
    store, there = store_of(database), _tables_and_views(warehouse, database)
    if f"{store}.positions" not in there or not warehouse.select(f"SELECT 1 FROM {store}.positions LIMIT 1"):
        return []
    applied = _recorded(warehouse, store) if f"{store}.migrations" in there else {}
    made = {table for migration in migrations(database) if migration.name in applied or not applied for table in migration.tables}
    return sorted(table for table in made if f"{store}.{table}" not in there)


def _tables_and_views(warehouse: Warehouse, database: str) -> set[str]:
    query = "SELECT concat(database, '.', name) FROM system.tables WHERE database IN %(databases)s"
    return {name for (name,) in warehouse.select(query, {"databases": (database, store_of(database))})}


def _applied(warehouse: Warehouse, store: str) -> dict[str, str]:
    """Name and digest of what was applied. Makes the place where that is recorded, if it is missing."""
    warehouse.command(f"CREATE DATABASE IF NOT EXISTS {store.removesuffix('_store')} COMMENT 'What analysts read'")
    warehouse.command(f"CREATE DATABASE IF NOT EXISTS {store} COMMENT 'The rows behind the views that analysts read'")
    warehouse.command(
        f"CREATE TABLE IF NOT EXISTS {store}.migrations (name String COMMENT 'file', digest String COMMENT 'SHA-256 of the file', "
        "applied_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') COMMENT 'when it was applied') "
        "ENGINE = ReplacingMergeTree(applied_at) ORDER BY name COMMENT 'Which files of services/projections/migrations were applied'"
    )
    return _recorded(warehouse, store)


def _recorded(warehouse: Warehouse, store: str) -> dict[str, str]:
    return dict(warehouse.select(f"SELECT name, digest FROM {store}.migrations FINAL"))


def _apply(warehouse: Warehouse, store: str, migration: Migration) -> None:
    for statement in migration.statements:
        warehouse.command(statement)
    warehouse.insert(f"{store}.migrations", ("name", "digest"), [(migration.name, migration.digest)])
