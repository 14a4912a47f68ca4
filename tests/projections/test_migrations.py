"""Tables and views as an analyst finds them."""

import re
from dataclasses import replace

import pytest

from services.projections import migrating
from services.projections.migrating import MigrationChanged, TablesGone, migrate_with, migrations, store_of
from services.projections.routing import TABLES
from services.projections.table import Table
from services.runtime.warehouse import Warehouse
from tests.projections.conftest import Analyst

ASKED_FOR = {
    "touchpoints", "purchases", "purchase_lines", "customers", "customer_identifiers", "customer_changes", "loyalty_accounts",
    "loyalty_ledger", "cases", "surveys", "conversations", "quarantine", "customer_360", "rfm", "lifecycle", "cohort_retention",
    "channel_mix", "daily_activity", "satisfaction", "response_times", "case_ageing", "repeat_purchase", "loyalty_liability", "readme",
}  # fmt: skip


def test_every_migration_is_applied_once_and_its_name_is_told(fresh_database: tuple[Warehouse, str]) -> None:
    warehouse, database = fresh_database

    first = migrate_with(warehouse, database)
    second = migrate_with(warehouse, database)

    assert first == [migration.name for migration in migrations(database)]
    assert second == []


def test_an_interrupted_migration_is_finished_by_the_next_run(fresh_database: tuple[Warehouse, str]) -> None:
    # given: a run that died in the middle of its last file, which was not recorded
    warehouse, database = fresh_database
    migrate_with(warehouse, database)
    last = migrations(database)[-3].name
    warehouse.command(f"DELETE FROM {store_of(database)}.migrations WHERE name >= '{last}'")

    applied = migrate_with(warehouse, database)

    assert applied == [migration.name for migration in migrations(database)[-3:]]


def test_a_migration_that_was_edited_after_it_was_applied_is_refused(
    fresh_database: tuple[Warehouse, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse, database = fresh_database
    migrate_with(warehouse, database)
    edited = [replace(migration, digest="other") if migration.name.startswith("0003") else migration for migration in migrations(database)]
    monkeypatch.setattr(migrating, "migrations", lambda _: edited)

    with pytest.raises(MigrationChanged, match=r"0003_purchases\.sql"):
        migrate_with(warehouse, database)


def test_a_view_that_was_dropped_is_made_again_as_its_latest_migration_has_it(fresh_database: tuple[Warehouse, str]) -> None:
    warehouse, database = fresh_database
    migrate_with(warehouse, database)
    before = [warehouse.select(f"SHOW CREATE TABLE {database}.{name}") for name in ("quarantine", "readme")]
    warehouse.command(f"DROP VIEW {database}.quarantine")

    migrate_with(warehouse, database)

    assert [warehouse.select(f"SHOW CREATE TABLE {database}.{name}") for name in ("quarantine", "readme")] == before


def test_a_table_that_was_dropped_before_anything_was_read_is_made_again(fresh_database: tuple[Warehouse, str]) -> None:
    warehouse, database = fresh_database
    migrate_with(warehouse, database)
    warehouse.command(f"DROP TABLE {store_of(database)}.purchases SYNC")

    migrate_with(warehouse, database)

    assert warehouse.select(f"SELECT count() FROM {database}.purchases") == [(0,)]


@pytest.mark.parametrize("also", ["", "migrations"], ids=["with the record of migrations", "without it"])
def test_a_table_that_was_dropped_with_what_was_read_into_it_is_not_made_again_empty(
    fresh_database: tuple[Warehouse, str], also: str
) -> None:
    # given: all that Kafka has was read
    warehouse, database = fresh_database
    store = store_of(database)
    migrate_with(warehouse, database)
    warehouse.insert(f"{store}.positions", ("topic", "partition", "next", "timestamp"), [("profile-events", 0, 7, 0)])
    for table in ["purchases", *filter(None, [also])]:
        warehouse.command(f"DROP TABLE {store}.{table} SYNC")

    with pytest.raises(TablesGone, match=r"purchases.*`rapport rebuild projections`"):
        migrate_with(warehouse, database)

    assert not warehouse.select("SELECT 1 FROM system.tables WHERE database = %(store)s AND name = 'purchases'", {"store": store})


def test_migrations_are_numbered_without_a_hole() -> None:
    numbers = [int(migration.name[:4]) for migration in migrations("rapport")]

    assert numbers == list(range(1, len(numbers) + 1))


def test_everything_that_was_promised_exists(migrated: Analyst) -> None:
    names = {name for (name,) in migrated.ask("SELECT name FROM system.tables WHERE database = 'rapport'")}

    assert names >= ASKED_FOR


def test_every_table_view_and_column_says_what_it_is(migrated: Analyst) -> None:
    silent = migrated.ask(
        "SELECT database, name, '' FROM system.tables WHERE database LIKE 'rapport%%' AND comment = '' "
        "UNION ALL SELECT database, table, name FROM system.columns WHERE database LIKE 'rapport%%' AND comment = ''"
    )

    assert silent == []


def test_describe_shows_the_comments_of_a_view(migrated: Analyst) -> None:
    described = {row[0]: row[4] for row in migrated.ask("DESCRIBE rapport.customers")}

    assert described["net"] == "monetary value: gross less refunded, in that currency"


def test_every_time_is_in_utc_and_every_sum_of_money_has_its_minor_units_beside(migrated: Analyst) -> None:
    columns = migrated.ask("SELECT table, name, type FROM system.columns WHERE database = 'rapport'")
    times = {kind for _, _, kind in columns if "DateTime" in kind}
    money = {(table, name) for table, name, kind in columns if "Decimal" in kind}
    sums_of_money = {("daily_revenue", name) for name in ("gross", "refunded", "net")} | {("customer_360", "average_order")}

    assert all(re.search(r"DateTime64\(6, 'UTC'\)", kind) for kind in times)
    assert money
    assert {(table, f"{name}_minor") for table, name in money - sums_of_money} <= {(table, name) for table, name, _ in columns}


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_rows_have_the_columns_of_their_table(migrated: Analyst, table: Table) -> None:
    stored = migrated.ask(
        "SELECT name FROM system.columns WHERE database = 'rapport_store' AND table = %(table)s ORDER BY position", table=table.name
    )

    assert tuple(column for (column,) in stored) == table.columns


def test_readme_lists_exactly_what_exists(migrated: Analyst) -> None:
    listed = {name for (name,) in migrated.ask("SELECT name FROM rapport.readme")}
    existing = {name for (name,) in migrated.ask("SELECT name FROM system.tables WHERE database = 'rapport'")}

    assert listed == existing


def test_every_example_query_of_the_readme_runs(migrated: Analyst) -> None:
    for name, example in migrated.ask("SELECT name, example FROM rapport.readme"):
        answer = migrated.warehouse.ask(example)
        assert answer.columns, name
