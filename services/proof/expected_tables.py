"""ClickHouse's tables as the fold says they must be: the projections' own rows, in a database of their own."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from uuid import UUID

import msgspec

from schemas import topics
from schemas.times import from_micros, from_millis
from services.loyalty.account import EMPTY
from services.loyalty.account_record import AccountRecord, decode_account
from services.loyalty.account_snapshot import account_json
from services.loyalty.announcements import uuid_of
from services.loyalty.programme import Programme
from services.projections.batch_rows import rows_of_batch
from services.projections.migrating import migrate_with, store_of
from services.projections.tables import (
    customer_changes,
    loyalty_changes,
    loyalty_ledger,
    quarantine,
    quarantine_decisions,
    redemptions,
)
from services.projections.writer import write
from services.proof.refold import Published, Refold, published
from services.proof.shown import readable
from services.runtime.event_store import RecordedEvent
from services.runtime.stage import Record
from services.runtime.store_snapshot import StoreSnapshot
from services.runtime.warehouse import Warehouse

MESSAGES_A_BATCH = 20_000
HISTORY = frozenset(
    {
        customer_changes.TABLE,
        loyalty_changes.TABLE,
        loyalty_ledger.TABLE,
        redemptions.TABLE,
        quarantine.TABLE,
        quarantine_decisions.TABLE,
    }
)
"""Filled from what was published, which is compared with the fold itself; all other tables from the fold."""


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
        """``quarantined``: the topic of that name, whole. ``as_of``: when each account's live snapshot was made, for what depends on the
        moment. Yields how many messages are in."""
        self.drop()
        migrate_with(self._warehouse, self.database)
        done = 0
        with refold.profile() as profile, refold.loyalty() as loyalty:
            for messages, history in (
                (_events(profile.events(), topics.PROFILE_CHANGES.name), False),
                (_profiles(refold, profile), False),
                (_accounts(loyalty, live_loyalty, programme, as_of), False),
                (_events(live_profile.events(), topics.PROFILE_CHANGES.name), True),
                (_events(live_loyalty.events(), topics.LOYALTY_CHANGES.name), True),
                (iter(quarantined), True),
            ):
                for batch in _batches(messages):
                    self._write(batch, history)
                    done += len(batch)
                    yield done

    def _write(self, messages: Sequence[Record], history: bool) -> None:
        rows = rows_of_batch(messages).rows
        write(self._warehouse, store_of(self.database), {table: filled for table, filled in rows.items() if (table in HISTORY) == history})

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
    for id, value in loyalty.rows("accounts"):
        account = decode_account(value)
        if account.anchors and account.sequence:
            shown.add(id)
            yield _account(account, programme, as_of)
    for id, value in live.rows("accounts"):
        emptied = readable(decode_account, value)
        if emptied and id not in shown and not emptied.anchors and emptied.sequence and emptied.merged_into is None:
            yield _account(msgspec.structs.replace(emptied, state=EMPTY), programme, as_of)


def _account(account: AccountRecord, programme: Programme, as_of: dict[str, str]) -> Published:
    value = account_json(programme, account, as_of.get(account.id, from_millis(0)))
    headers = (("sequence", b"%d" % account.sequence),)
    return Published(topics.LOYALTY_ACCOUNTS.name, str(uuid_of(account.id)).encode(), value, headers)


def _batches(messages: Iterator[Record]) -> Iterator[list[Record]]:
    while batch := list(islice(messages, MESSAGES_A_BATCH)):
        yield batch
