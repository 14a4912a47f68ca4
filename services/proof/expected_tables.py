"""ClickHouse's tables as the fold says they must be: the projections' own rows, in a database of their own."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from operator import itemgetter
from uuid import UUID

import msgspec

from schemas import topics
from schemas.times import from_micros, from_millis
from services.loyalty.account import EMPTY
from services.loyalty.account_record import AccountRecord
from services.loyalty.account_snapshot import account_json
from services.loyalty.announcements import uuid_of
from services.loyalty.programme import Programme
from services.projections.batch_rows import rows_of_batch
from services.projections.migrating import migrate_with, store_of
from services.projections.routing import TABLES
from services.projections.table import Table
from services.projections.tables import (
    customer_changes,
    customer_identifiers,
    loyalty_changes,
    loyalty_ledger,
    quarantine,
    quarantine_decisions,
    redemptions,
    touchpoints,
)
from services.projections.writer import write
from services.proof.refold import Published, Refold, published
from services.proof.stored_accounts import stored_accounts
from services.runtime.event_store import RecordedEvent
from services.runtime.stage import Record
from services.runtime.store_snapshot import StoreSnapshot
from services.runtime.warehouse import Warehouse

MESSAGES_A_BATCH = 20_000
HISTORY = frozenset({customer_changes.TABLE, loyalty_changes.TABLE, loyalty_ledger.TABLE, redemptions.TABLE})
"""Filled from what the live stages published, which is compared with the fold itself."""
QUARANTINE = frozenset({quarantine.TABLE, quarantine_decisions.TABLE})
"""Filled from Kafka."""
STATE = frozenset(TABLES) - HISTORY - QUARANTINE
"""Filled from the fold."""
TOLD = {
    touchpoints.TABLE: Table("told_touchpoints", ("event_id", "recorded_at", "customer_at", "sequence", "id")),
    customer_identifiers.TABLE: Table("told_identifiers", ("identifier", "customer", "since", "id")),
}
"""Columns of history in tables of state, as the live stages published them."""
TOLD_AS = {
    "told_touchpoints": "event_id, recorded_at, customer_at, sequence, id AS notification_id",
    "told_identifiers": "identifier AS identifier_id, customer AS customer_id, since",
}
"""The columns by the names that the views of analysts give them."""


class ExpectedTables:
    """A database of the caller's naming: made by ``fill``, and gone after ``drop``."""

    def __init__(self, warehouse: Warehouse, database: str) -> None:
        self._warehouse, self.database = warehouse, database

    def fill(
        self,
        refold: Refold,
        live_profile: StoreSnapshot,
        live_loyalty: StoreSnapshot,
        quarantined: Iterable[Record],
        programme: Programme,
        as_of: dict[str, str],
    ) -> Iterator[int]:
        """``quarantined``: from Kafka, the topic of that name whole, and what projections cannot read of others. ``as_of``: when each
        account's live snapshot was made, for what depends on the moment. Yields how many messages are in."""
        self.drop()
        migrate_with(self._warehouse, self.database)
        self._make_told()
        done = 0
        with refold.profile() as profile, refold.loyalty() as loyalty:
            for messages, tables in (
                (_events(profile.events(), topics.PROFILE_CHANGES.name), STATE),
                (_profiles(refold, profile), STATE),
                (_accounts(loyalty, live_loyalty, programme, as_of), STATE),
                (_events(live_profile.events(), topics.PROFILE_CHANGES.name), HISTORY),
                (_events(live_loyalty.events(), topics.LOYALTY_CHANGES.name), HISTORY),
                (iter(quarantined), QUARANTINE),
            ):
                for batch in _batches(messages):
                    self._write(batch, tables)
                    done += len(batch)
                    yield done

    def _write(self, messages: Sequence[Record], tables: frozenset[Table]) -> None:
        rows, store = rows_of_batch(messages).rows, store_of(self.database)
        write(self._warehouse, store, {table: filled for table, filled in rows.items() if table in tables})
        for table, told in TOLD.items() if tables is HISTORY else ():
            if filled := rows.get(table):
                pick = itemgetter(*map(table.columns.index, told.columns))
                self._warehouse.insert(f"{store}.{told.name}", told.columns, [pick(row) for row in filled])

    def _make_told(self) -> None:
        store = store_of(self.database)
        for table, told in TOLD.items():
            made, engine = f"{store}.{told.name}", f"ReplacingMergeTree(id) ORDER BY {told.columns[0]}"
            columns = f"SELECT {', '.join(told.columns)} FROM {store}.{table.name}"
            self._warehouse.command(f"CREATE TABLE {made} ENGINE = {engine} EMPTY AS {columns}")
            self._warehouse.command(f"CREATE VIEW {self.database}.{told.name} AS SELECT {TOLD_AS[told.name]} FROM {made} FINAL")

    def drop(self) -> None:
        for name in (self.database, store_of(self.database)):
            self._warehouse.command(f"DROP DATABASE IF EXISTS {name} SYNC")


def snapshot_times(warehouse: Warehouse, database: str) -> dict[str, str]:
    """Account → the moment of its snapshot in ClickHouse, in canonical form."""
    query = f"SELECT toString(account_id), toUnixTimestamp64Micro(as_of) FROM {database}.loyalty_accounts"
    return {account: from_micros(micros) for account, micros in warehouse.select(query)}


def _events(events: Iterable[RecordedEvent], topic: str) -> Iterator[Published]:
    for event in events:
        yield published(event, topics.QUARANTINE.name if event.type == "quarantined" else topic)


def _profiles(refold: Refold, profile: StoreSnapshot) -> Iterator[Published]:
    ids = (UUID(id) for id, _ in profile.rows("customers"))
    while page := list(islice(ids, 5_000)):
        for message in refold.profiles(page):
            yield Published(message.topic, message.key, message.value, message.headers)


def _accounts(loyalty: StoreSnapshot, live: StoreSnapshot, programme: Programme, as_of: dict[str, str]) -> Iterator[Published]:
    """The fold's accounts; and those of the live store from which everything has moved: they are shown too, empty."""
    shown = set()
    for id, _, account in stored_accounts(loyalty):
        assert account is not None, "a fold reads what it wrote"
        if account.anchors and account.sequence:
            shown.add(id)
            yield _account(account, programme, as_of)
    for id, _, emptied in stored_accounts(live):
        if emptied and id not in shown and not emptied.anchors and emptied.sequence and emptied.merged_into is None:
            yield _account(msgspec.structs.replace(emptied, state=EMPTY), programme, as_of)


def _account(account: AccountRecord, programme: Programme, as_of: dict[str, str]) -> Published:
    value = account_json(programme, account, as_of.get(account.id, from_millis(0)))
    headers = (("sequence", b"%d" % account.sequence),)
    return Published(topics.LOYALTY_ACCOUNTS.name, str(uuid_of(account.id)).encode(), value, headers)


def _batches(messages: Iterator[Record]) -> Iterator[list[Record]]:
    while batch := list(islice(messages, MESSAGES_A_BATCH)):
        yield batch
