"""ClickHouse's tables equal what the fold of the log says; a row that is changed, removed or added in any of them is found."""

import json
from collections.abc import Iterator

import pytest

from schemas import topics
from services.loyalty import programme_file
from services.projections.batch_rows import rows_of_batch
from services.projections.migrating import migrate_with, store_of
from services.projections.writer import write
from services.proof.expected_tables import ExpectedTables, snapshot_times
from services.proof.refold import Published, Refold, refused_as_conflicting
from services.proof.scope import Scope
from services.proof.stores_compared import Compared
from services.proof.tables import TOLD, VIEWS
from services.proof.tables_compared import compare_tables
from services.proof.unreadable import UnreadableMessages
from services.runtime.store_snapshot import snapshot_of
from services.runtime.warehouse import Warehouse
from tests.proof.installation import NOW_MS, Installation
from tests.proof.story import STORY

LIVE, EXPECTED = "rapport", "rapport_verify"


@pytest.fixture(scope="module")
def filled(warehouse: Warehouse, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """The live tables as the projections filled them, and the expected ones beside them."""
    folder, scratch = tmp_path_factory.mktemp("live"), tmp_path_factory.mktemp("scratch")
    live = Installation(folder)
    for touchpoint in STORY:  # one by one, so that live history is another than the fold's
        live.feed(touchpoint)
    live.tick(NOW_MS)
    live.redeem("r", 30)
    migrate_with(warehouse, LIVE)
    messages = [*live.messages(), *decided(), *strange()]
    write(warehouse, store_of(LIVE), rows_of_batch(messages).rows)
    unreadable = UnreadableMessages()
    unreadable.take(messages)
    quarantined = [one for one in messages if one.topic == topics.QUARANTINE.name] + unreadable.must_be_quarantined()
    with snapshot_of(folder / "profile.sqlite") as profile, snapshot_of(folder / "loyalty.sqlite") as loyalty:
        refold = Refold(scratch, live.settings, NOW_MS + 1, refused_as_conflicting(profile))
        refold.take(list(reversed(live.log)))  # so that who moved in one history did not in the other
        refold.end_of_log()
        list(refold.fold_loyalty(NOW_MS + 1, live.redemptions()))
        expected = ExpectedTables(warehouse, EXPECTED)
        times = snapshot_times(warehouse, LIVE)
        assert list(expected.fill(refold, profile, loyalty, quarantined, programme_file.load(), times))
        refold.close()
    live.close()
    yield warehouse
    expected.drop()


def decided() -> list[Published]:
    """What ingest refused, and what a person decided about it: neither is in any store."""
    refused = {
        "quarantine_id": "ingest:1",
        "stage": "ingest",
        "reason": "invalid_json",
        "path": "$",
        "detail": "it is none",
        "received_at": "2026-06-01T12:00:00.000000Z",
        "quarantined_at": "2026-06-01T12:00:00.000000Z",
        "original": "{",
    }
    decision = {
        "decision_id": "d1",
        "quarantine_id": "ingest:1",
        "decision": "discarded",
        "decided_by": "ada",
        "decided_at": "2026-06-02T12:00:00.000000Z",
        "why": "noise",
    }
    kinds = ((b"quarantined", refused), (b"quarantine_decided", decision))
    return [
        Published(topics.QUARANTINE.name, b"ingest:1", json.dumps(said).encode(), (("type", kind),), offset=1_000_000 + n)
        for n, (kind, said) in enumerate(kinds)
    ]


def strange() -> list[Published]:
    """What nobody of ours wrote: an event, and two snapshots of which the older may be gone from Kafka."""
    type = ("type", b"touchpoint_applied")
    snapshots = [Published(topics.PROFILES.name, b"k", b"{", (("sequence", b"%d" % n),), offset=n, partition=3) for n in (1, 2)]
    return [Published(topics.PROFILE_CHANGES.name, b"k", b"{", (type, ("id", b"1")), offset=77, partition=1), *snapshots]


def compared(warehouse: Warehouse, *names: str, scope: Scope | None = None) -> dict[str, Compared]:
    """Views that differ, among these or all."""
    views = [view for view in (*VIEWS, *TOLD) if not names or view.title.removeprefix("ClickHouse ") in names]
    found = compare_tables(warehouse, EXPECTED, LIVE, scope or Scope(), lambda phase, done, total: None, views)
    return {one.store.removeprefix("ClickHouse "): one for one in found if one.unequal}


def test_tables_filled_by_the_live_stages_equal_the_fold_of_the_log(filled: Warehouse) -> None:
    assert compared(filled) == {}
    shown = {name: filled.select(f"SELECT count() FROM {EXPECTED}.{name}")[0][0] for name in ("touchpoints", "customers", "loyalty_ledger")}
    assert shown == {"touchpoints": 9, "customers": 2, "loyalty_ledger": shown["loyalty_ledger"]}
    assert shown["loyalty_ledger"] > 2


CHANGES = [
    ("touchpoints", "payload = concat(payload, ' ')", "touchpoints"),
    ("touchpoints", "sentiment = 0.5", "touchpoints"),
    ("purchases", "total_minor = bitXor(total_minor, 1)", "purchases"),
    ("purchase_lines", "sku = concat(sku, 'x')", "purchase_lines"),
    ("refunds", "amount_minor = bitXor(amount_minor, 64)", "refunds"),
    ("case_steps", "step = 'archived'", "cases"),
    ("surveys", "score = score + 1", "surveys"),
    ("touchpoints", "conversation = 'other'", "conversations"),
    ("customers", "traits = map('city', 'York')", "customers"),
    ("identifier_holders", "value = concat(value, 'x')", "customer_identifiers"),
    ("loyalty_accounts", "balance = bitXor(balance, 1)", "loyalty_accounts"),
    ("loyalty_ledger", "amount = bitXor(amount, 2)", "loyalty_ledger"),
    ("loyalty_ledger", "cause = 'somebody'", "loyalty_ledger"),
    ("customer_changes", "reason = 'other'", "customer_changes"),
    ("loyalty_changes", "qualifying = qualifying + 1", "loyalty_changes"),
    ("redemptions", "points = points + 1", "redemptions"),
    ("quarantine", "detail = 'fine'", "quarantine"),
    ("quarantine", "quarantined_at = quarantined_at + 1", "quarantine"),
    ("quarantine_decisions", "decided_by = 'somebody'", "quarantine"),
    ("redemptions", "points = bitXor(points, 1)", "redemptions"),
    ("identifier_holders", "since = since + toIntervalMicrosecond(1)", "customer_identifiers, as published"),
    ("touchpoints", "recorded_at = recorded_at + toIntervalMicrosecond(1)", "touchpoints, as published"),
    ("touchpoints", "customer_at = toUUID('00000000-0000-0000-0000-000000000001')", "touchpoints, as published"),
    ("touchpoints", "sequence = bitXor(sequence, 1)", "touchpoints, as published"),
]


@pytest.mark.parametrize(("table", "change", "view"), CHANGES)
def test_a_row_that_was_changed_is_found_in_its_view(filled: Warehouse, table: str, change: str, view: str) -> None:
    with damaged(filled, table, f"ALTER TABLE {{}} UPDATE {change} WHERE {{}}"):
        found = compared(filled, view)

    assert view in found
    assert all(one.field for one in found[view].differences) or view in ("conversations", "customer_identifiers") or "customer_at" in change
    assert found[view].differences


@pytest.mark.parametrize(
    ("table", "view"),
    sorted({(table, view) for table, _, view in CHANGES if view != "conversations"} | {("identifier_moves", "touchpoints")}),
)
def test_a_row_that_was_removed_is_found(filled: Warehouse, table: str, view: str) -> None:
    with damaged(filled, table, "ALTER TABLE {} DELETE WHERE {}"):
        assert compared(filled, view)


def test_a_row_that_takes_the_place_of_another_under_a_later_number_is_found(filled: Warehouse) -> None:
    table = f"{store_of(LIVE)}.touchpoints"
    with damaged(filled, "touchpoints", ""):
        filled.command(f"INSERT INTO {table} SELECT * REPLACE (id + 1 AS id) FROM {table} ORDER BY event_id LIMIT 1")

        found = compared(filled)

    assert [(one, {difference.field for difference in found[one].differences}) for one in found] == [
        ("touchpoints, as published", {"notification_id"})
    ]


WRONG = ["ALTER TABLE {} UPDATE detail = 'fine' WHERE topic = 'profile-events'", "ALTER TABLE {} DELETE WHERE topic = 'profile-events'"]


@pytest.mark.parametrize("change", WRONG)
def test_what_projections_could_not_read_is_compared_with_what_kafka_has_of_it(filled: Warehouse, change: str) -> None:
    with damaged(filled, "quarantine", change):
        (difference,) = compared(filled, "quarantine")["quarantine"].differences

    assert difference.key == "profile-events:1:77"


def test_of_a_snapshot_that_kafka_has_dropped_for_a_newer_one_nothing_can_be_said(filled: Warehouse) -> None:
    older, latest = (
        "ALTER TABLE {} DELETE WHERE quarantine_id = 'profiles:3:1'",
        "ALTER TABLE {} DELETE WHERE quarantine_id = 'profiles:3:2'",
    )

    with damaged(filled, "quarantine", older):
        assert compared(filled, "quarantine") == {}
    with damaged(filled, "quarantine", latest):
        assert compared(filled, "quarantine")


def test_a_row_that_was_added_is_found_and_named(filled: Warehouse) -> None:
    store = store_of(LIVE)
    columns = "* EXCEPT (event_id), concat(event_id, '-again') AS event_id"
    names = [row[0] for row in filled.select(f"DESCRIBE TABLE {store}.purchases") if row[0] != "event_id"]
    with damaged(filled, "purchases", ""):
        filled.command(f"INSERT INTO {store}.purchases ({', '.join(names)}, event_id) SELECT {columns} FROM {store}.purchases LIMIT 1")

        (difference,) = compared(filled, "purchases")["purchases"].differences

    assert (difference.table, difference.key.endswith("-again"), difference.expected) == ("purchases", True, "missing")


def test_customers_that_changed_meanwhile_are_not_compared(filled: Warehouse) -> None:
    with damaged(filled, "purchases", "ALTER TABLE {} UPDATE store = 'elsewhere' WHERE {}"):
        (customer,) = compared(filled, "purchases")["purchases"].unequal

        assert compared(filled, "purchases", scope=Scope(apart={customer})) == {}
        assert compared(filled, "purchases", scope=Scope(only=frozenset({customer})))["purchases"].unequal == {customer}
        assert compared(filled, "purchases", scope=Scope(only=frozenset({"00000000-0000-0000-0000-000000000000"}))) == {}


class damaged:
    """One table of the live ones, with one row as the mutation leaves it; whole again on leaving."""

    def __init__(self, warehouse: Warehouse, table: str, mutation: str) -> None:
        self._warehouse, self._table, self._mutation = warehouse, f"{store_of(LIVE)}.{table}", mutation

    def __enter__(self) -> None:
        command = self._warehouse.command
        command(f"CREATE TABLE {self._table}_kept AS {self._table}")
        command(f"INSERT INTO {self._table}_kept SELECT * FROM {self._table}")
        if self._mutation:
            place = "database || '.' || name = %(table)s"
            ((key,),) = self._warehouse.select(f"SELECT sorting_key FROM system.tables WHERE {place}", {"table": self._table})
            shown = "WHERE isNull(merged_into)" if self._table.endswith(("customers", "accounts")) else ""
            row = f"({key}) IN (SELECT {key} FROM {self._table} {shown} ORDER BY ALL LIMIT 1)"
            command(self._mutation.format(self._table, row) + " SETTINGS mutations_sync = 2")

    def __exit__(self, *_: object) -> None:
        self._warehouse.command(f"EXCHANGE TABLES {self._table} AND {self._table}_kept")
        self._warehouse.command(f"DROP TABLE {self._table}_kept SYNC")
