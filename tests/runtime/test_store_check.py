"""A stage does not start on a store that is damaged or that does not know what was published; one under a running stage is missed."""

import asyncio
import os
import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from pydantic import SecretStr

from services.runtime import store_check
from services.runtime.event_store import NewEvent, StoreLost, Transaction
from services.runtime.event_store_sqlite import SQLiteEventStore
from services.runtime.kafka import KafkaConnection, TopicSpec, ensure_topics
from services.runtime.log_reader import LogReader
from services.runtime.settings import Settings, StoreSettings
from services.runtime.stage_process import StageProcess, open_whole_store
from services.runtime.store_check import check_file, published_up_to
from tests.runtime.counting_flow import produce

ONE = UUID(int=1)
PARTITIONS = 4


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """A store that was closed well."""
    path = tmp_path / "thing.sqlite"
    store = SQLiteEventStore(path, kinds=["things"])
    for number in range(20):
        rows = {f"{number}-{i}": os.urandom(300) for i in range(50)}
        store.commit(Transaction(events=[NewEvent(ONE, number + 1, "made", b"{}")], rows={"things": rows}))
    store.close()
    return path


def test_a_whole_store_and_one_that_never_was_are_no_problem(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_file(whole)
    check_file(whole.with_name("never.sqlite"))
    monkeypatch.setattr(store_check, "CHECKED_WHOLE_BYTES", 1000)
    check_file(whole)


@pytest.mark.parametrize("checked_whole", [1, 1 << 30])
def test_a_truncated_file_is_noticed_whatever_its_size(whole: Path, checked_whole: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_check, "CHECKED_WHOLE_BYTES", checked_whole)
    os.truncate(whole, whole.stat().st_size - 8192)

    with pytest.raises(StoreLost, match=r"thing.sqlite is damaged \("):
        check_file(whole)


def test_pages_full_of_rubbish_are_noticed_wherever_they_are(whole: Path) -> None:
    content, dice = whole.read_bytes(), random.Random(1)
    for page in range(len(content) // 8192):
        damaged = bytearray(content)
        damaged[page * 8192 : (page + 1) * 8192] = dice.randbytes(8192)
        whole.write_bytes(damaged)

        with pytest.raises(StoreLost, match="is damaged"):
            check_file(whole)


def test_what_waits_in_the_write_ahead_log_is_no_damage(tmp_path: Path) -> None:
    store = SQLiteEventStore(tmp_path / "thing.sqlite", kinds=["things"])
    store.commit(Transaction(rows={"things": {str(n): os.urandom(300) for n in range(2_000)}}))

    check_file(tmp_path / "thing.sqlite")
    store.close()


@pytest.mark.parametrize("how", ["deleted", "replaced"])
def test_a_store_that_is_deleted_or_replaced_under_a_running_stage_is_missed(whole: Path, how: str) -> None:
    store = SQLiteEventStore(whole, kinds=["things"])
    whole.unlink()
    if how == "replaced":
        sqlite3.connect(whole).close()
        whole.touch()

    with pytest.raises(StoreLost, match="while it was in use"):
        store.refresh()
    store.close()


@pytest.fixture(params=["sqlite", "postgres"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    if request.param == "postgres":
        yield Settings(data_dir=tmp_path, store=StoreSettings(url=SecretStr(request.getfixturevalue("postgres_address"))))
    else:
        yield Settings(data_dir=tmp_path)


def test_a_stage_whose_store_does_not_know_what_was_published_does_not_start(kafka: str, settings: Settings) -> None:
    connection, topic, name = KafkaConnection(kafka), f"said-{uuid4().hex[:8]}", f"stage_{uuid4().hex[:8]}"
    process = StageProcess(name, [], topic, ["things"], 0)

    def opened() -> int:
        store = asyncio.run(open_whole_store(settings, process, connection))
        store.commit(Transaction(events=[NewEvent(ONE, store.last_id + 1, "made", b"{}")]))
        last_id = store.last_id
        store.close()
        return last_id

    # given: a topic that does not exist yet, one without a message, and one whose messages the store knows
    assert opened() == 1
    asyncio.run(ensure_topics(connection, [TopicSpec(topic, PARTITIONS)]))
    assert opened() == 2
    asyncio.run(produce(connection, topic, [(b"k", b"{}", [("id", b"%d" % id)]) for id in (1, 2)]))
    assert opened() == 3

    # when: more was published than the store knows
    asyncio.run(produce(connection, topic, [(b"other", b"{}", [("id", b"9")])]))

    # then
    assert asyncio.run(published_up_to(connection, topic)) == 9
    with pytest.raises(StoreLost, match=rf"ends at event 3, {topic} has 9: deleted, or an old copy. `rapport rebuild {name}` mends it"):
        opened()


def test_one_reader_goes_from_topic_to_topic(kafka: str) -> None:
    connection, names = KafkaConnection(kafka), [f"read-{uuid4().hex[:8]}" for _ in range(2)]
    asyncio.run(ensure_topics(connection, [TopicSpec(name, PARTITIONS) for name in names]))
    for name in names:
        asyncio.run(produce(connection, name, [(b"%d" % n, name.encode(), []) for n in range(10)]))

    async def all_of() -> list[bytes | None]:
        async with LogReader(connection) as log:
            found = []
            for name in (*names, names[0]):
                async for fetched in log.read({}, await log.ends([name])):
                    found += [record.value for records in fetched.values() for record in records]
            return found

    assert asyncio.run(all_of()) == [name.encode() for name in (*names, names[0]) for _ in range(10)]
