"""Makes the tables and views: numbered SQL files, each applied once and recorded."""

import hashlib
import re
from dataclasses import dataclass
from importlib import resources

from services.runtime.settings import Settings
from services.runtime.warehouse import Warehouse

_STATEMENT_END = re.compile(r";[ \t]*(?:\n|\Z)")
_COMMENT_LINE = re.compile(r"^--.*\n?", re.MULTILINE)
_DATABASE = re.compile(r"\brapport(?=(_store)?\.)")


class MigrationChanged(Exception):
    """Raised by ``migrate``: a file that was applied before reads otherwise now. Restore it and write a new one."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file: its statements are applied in order, and may be applied again after an interruption."""

    name: str
    statements: tuple[str, ...]
    digest: str


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
    """Applies what is missing and returns its names. Safe to run side by side, and again after an interruption.

    Raises MigrationChanged, WarehouseAway, WarehouseRefused.
    """
    warehouse = Warehouse(settings.clickhouse.address)
    try:
        return migrate_with(warehouse, settings.clickhouse.database)
    finally:
        warehouse.close()


def migrate_with(warehouse: Warehouse, database: str) -> list[str]:
    store = store_of(database)
    applied = _applied(warehouse, store)
    done = []
    for migration in migrations(database):
        known = applied.get(migration.name)
        if known is None:
            _apply(warehouse, store, migration)
            done.append(migration.name)
        elif known != migration.digest:
            raise MigrationChanged(f"{migration.name}.sql was applied with other content: restore it, and add a new file for changes")
    return done


def _applied(warehouse: Warehouse, store: str) -> dict[str, str]:
    """Name and digest of what was applied. Makes the place where that is recorded, if it is missing."""
    if not warehouse.select("SELECT 1 FROM system.tables WHERE database = %(store)s AND name = 'migrations'", {"store": store}):
        warehouse.command(f"CREATE DATABASE IF NOT EXISTS {store.removesuffix('_store')} COMMENT 'What analysts read'")
        warehouse.command(f"CREATE DATABASE IF NOT EXISTS {store} COMMENT 'The rows behind the views that analysts read'")
        warehouse.command(
            f"CREATE TABLE IF NOT EXISTS {store}.migrations (name String COMMENT 'file', digest String COMMENT 'SHA-256 of the file', "
            "applied_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') COMMENT 'when it was applied') "
            "ENGINE = ReplacingMergeTree(applied_at) ORDER BY name COMMENT 'Which files of services/projections/migrations were applied'"
        )
    return dict(warehouse.select(f"SELECT name, digest FROM {store}.migrations FINAL"))


def _apply(warehouse: Warehouse, store: str, migration: Migration) -> None:
    for statement in migration.statements:
        warehouse.command(statement)
    warehouse.insert(f"{store}.migrations", ("name", "digest"), [(migration.name, migration.digest)])
