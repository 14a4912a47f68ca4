"""The stage's stores as they are in production."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from services.loyalty.archive import ITEM_KINDS, KINDS
from services.runtime.event_store import EventStore
from services.runtime.event_store_postgres import PostgresEventStore
from services.runtime.event_store_sqlite import SQLiteEventStore

Opened = Callable[[], EventStore]


@pytest.fixture(params=["sqlite", "postgres"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opened]:
    """Opens the same database each time."""
    stores: list[EventStore] = []
    address = request.getfixturevalue("postgres_address") if request.param == "postgres" else ""
    schema = re.sub(r"\W", "_", request.node.name.lower())[-40:]

    def open_one() -> EventStore:
        if request.param == "sqlite":
            stores.append(SQLiteEventStore(tmp_path / "loyalty.sqlite", kinds=KINDS, item_kinds=ITEM_KINDS))
        else:
            stores.append(PostgresEventStore(address, schema=schema, kinds=KINDS, item_kinds=ITEM_KINDS))
        return stores[-1]

    yield open_one
    for store in stores:
        store.close()
