"""A store whose content is exchanged under its writers: one suite, run on SQLite and PostgreSQL."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from pydantic import SecretStr

from services.runtime.event_store import BeingExchanged, EventStore, NewEvent, Stale, Transaction
from services.runtime.event_store_postgres import PostgresEventStore
from services.runtime.event_store_sqlite import SQLiteEventStore
from services.runtime.settings import Settings, StoreSettings
from services.runtime.store_exchange import SQLiteExchange, StillInUse, StoreExchange, exchange_of

ONE = UUID(int=1)
KINDS, ITEM_KINDS = ("things",), ("parts",)


class Kept:
    """Opens as many stores and exchanges of one installation as a test wants."""

    def __init__(self, folder: Path, postgres: str | None, closing: ExitStack) -> None:
        self.stage = f"stage_{uuid4().hex[:8]}"
        self._postgres, self._folder, self._closing = postgres, folder, closing
        self.settings = Settings(data_dir=folder, store=StoreSettings(url=SecretStr(postgres) if postgres else None))

    def store(self) -> EventStore:
        if self._postgres:
            store: EventStore = PostgresEventStore(self._postgres, schema=self.stage, kinds=KINDS, item_kinds=ITEM_KINDS)
        else:
            store = SQLiteEventStore(self._folder / f"{self.stage}.sqlite", kinds=KINDS, item_kinds=ITEM_KINDS)
        self._closing.callback(store.close)
        return store

    def exchange(self) -> StoreExchange:
        return exchange_of(self.settings, self.stage, KINDS, ITEM_KINDS)


@pytest.fixture(params=["sqlite", "postgres"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kept]:
    address = request.getfixturevalue("postgres_address") if request.param == "postgres" else None
    with ExitStack() as closing:
        yield Kept(tmp_path, address, closing)


def saying(thing: bytes, *versions: int) -> Transaction:
    events = [NewEvent(ONE, version, "made", b"{}") for version in versions]
    return Transaction(events=events, rows={"things": {"a": thing}}, items={"parts": [("a", "b", thing)]})


def made_beside(exchange: StoreExchange) -> None:
    beside = exchange.beside()
    beside.commit(saying(b"new", 1, 2))
    beside.close()


def test_writers_that_had_the_store_open_find_the_new_content_and_decide_again(kept: Kept) -> None:
    # given: two writers with everything prepared, and another content beside
    writers = [kept.store(), kept.store()]
    writers[0].commit(saying(b"old", 1))
    for writer in writers:
        writer.refresh()
        assert writer.rows("things", ["a"]) == {"a": b"old"}
    exchange = kept.exchange()
    made_beside(exchange)

    # when
    exchange.close()
    for writer in writers:
        with pytest.raises(BeingExchanged):
            writer.commit(saying(b"late", 2))
    exchange.exchange()

    # then
    for writer in writers:
        with pytest.raises(Stale):
            writer.commit(saying(b"late", 2))
        assert writer.rows("things", ["a"]) == {"a": b"new"}
        assert writer.items("parts", ["a"]) == {"a": [("b", b"new")]}
        assert [event.id for event in writer.events_after(0, 10)] == [1, 2]
    assert writers[0].commit(saying(b"next", 3)) == 3
    assert writers[1].refresh()
    assert writers[1].rows("things", ["a"]) == {"a": b"next"}


def test_an_exchange_that_is_given_up_leaves_all_as_it_was(kept: Kept) -> None:
    store, exchange = kept.store(), kept.exchange()
    assert (exchange.is_sound(), exchange.is_closed(), exchange.has_beside()) == (True, False, False)
    made_beside(exchange)
    exchange.close()
    exchange.close()
    assert (exchange.is_closed(), exchange.has_beside()) == (True, True)

    exchange.reopen()
    exchange.drop_beside()

    assert (exchange.is_closed(), exchange.has_beside(), exchange.is_kept()) == (False, False, False)
    assert store.commit(saying(b"on", 1)) == 1


def test_what_was_replaced_is_kept_until_it_is_dropped(kept: Kept) -> None:
    kept.store().commit(saying(b"old", 1))
    exchange = kept.exchange()
    made_beside(exchange)
    exchange.close()
    exchange.exchange()
    assert (exchange.is_kept(), exchange.is_closed(), exchange.has_beside()) == (True, False, False)

    exchange.drop_kept()

    assert not exchange.is_kept()
    assert kept.store().rows("things", ["a"]) == {"a": b"new"}


def test_an_exchange_that_ended_after_its_one_step_is_not_made_twice(tmp_path: Path) -> None:
    live = tmp_path / "thing.sqlite"
    store = SQLiteEventStore(live, kinds=KINDS, item_kinds=ITEM_KINDS)
    exchange = SQLiteExchange(live, KINDS, ITEM_KINDS)
    made_beside(exchange)
    exchange.close()
    exchange._copy_over()
    store.refresh()
    store.commit(saying(b"since", 3))

    exchange.exchange()

    assert not exchange.has_beside()
    assert store.rows("things", ["a"]) == {"a": b"since"}
    store.close()


def test_where_there_is_no_store_the_new_one_becomes_it(kept: Kept) -> None:
    exchange = kept.exchange()
    assert not exchange.is_sound()
    made_beside(exchange)

    exchange.exchange()

    assert kept.store().rows("things", ["a"]) == {"a": b"new"}


DAMAGES: dict[str, Callable[[Path], object]] = {
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:9_000]),
    "rubbish": lambda path: path.write_bytes(b"rubbish" * 5_000),
    "emptied": lambda path: path.write_bytes(b""),
    "without its log": lambda path: (path.unlink(), path.with_name(path.name + "-wal").write_bytes(b"x" * 40_000)),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_moved_aside_but_not_under_a_process_that_works_on_it(tmp_path: Path, damage: str) -> None:
    live = tmp_path / "thing.sqlite"
    store = SQLiteEventStore(live, kinds=KINDS, item_kinds=ITEM_KINDS)
    store.commit(saying(b"old", 1))
    store.close()
    DAMAGES[damage](live)
    exchange = SQLiteExchange(live, KINDS, ITEM_KINDS)
    assert not exchange.is_sound()
    made_beside(exchange)

    worker = SQLiteEventStore(tmp_path / "other.sqlite")  # whatever it has open by now: it has the lock
    worker._path = str(live)
    assert worker.publisher_lock()
    with pytest.raises(StillInUse, match="end that process"):
        exchange.exchange()
    worker.close()
    exchange.exchange()

    again = SQLiteEventStore(live, kinds=KINDS, item_kinds=ITEM_KINDS)
    assert again.rows("things", ["a"]) == {"a": b"new"}
    again.close()
    assert exchange.is_kept()
