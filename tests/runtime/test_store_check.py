"""A stage does not start on a store that is damaged or that does not know what was published; one under a running stage is missed."""

import asyncio
import os
import random
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from pydantic import SecretStr

from services.embedded.processes import free_port
from services.runtime import store_check
from services.runtime.batches import TP
from services.runtime.event_store import NewEvent, StoreLost, Transaction
from services.runtime.event_store_sqlite import SQLiteEventStore
from services.runtime.kafka import KafkaConnection, TopicSpec, ensure_topics
from services.runtime.log_reader import LogReader, LogStalled
from services.runtime.settings import Settings, StoreSettings
from services.runtime.stage_process import STORE_LOST, StageProcess, open_whole_store
from services.runtime.store_check import check_file, check_whole_file, is_large, published_up_to
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


def test_damage_inside_a_file_too_large_to_be_looked_at_before_the_start_is_found_while_the_stage_runs(
    whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_check, "CHECKED_WHOLE_BYTES", 1000)
    assert is_large(whole)
    asyncio.run(check_whole_file(whole))
    with whole.open("r+b") as file:
        file.seek(whole.stat().st_size // 2 // 8192 * 8192)
        file.write(random.Random(1).randbytes(20_000))
    check_file(whole)

    with pytest.raises(StoreLost, match=r"thing.sqlite is damaged \("):
        asyncio.run(check_whole_file(whole))


def test_the_look_at_a_whole_file_can_be_broken_off(whole: Path) -> None:
    async def broken_off() -> None:
        checking = asyncio.create_task(check_whole_file(whole))
        await asyncio.sleep(0)
        checking.cancel()
        await checking

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(broken_off())


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


STAGE_ON_A_LARGE_FILE = """
import asyncio, sys
from pathlib import Path
from services.embedded.processes import free_port
from services.runtime import store_check
from services.runtime.settings import KafkaSettings, Settings
from services.runtime.stage_process import StageProcess, run_stage
from tests.runtime.counting_worker import CountingStage

folder, bootstrap, topic, port = sys.argv[1:]
store_check.CHECKED_WHOLE_BYTES = 1000
settings = Settings(data_dir=Path(folder), kafka=KafkaSettings(bootstrap=bootstrap))
process = StageProcess("thing", [topic], topic + "-events", ["things", "account"], int(port))
sys.exit(asyncio.run(run_stage(settings, process, lambda store: CountingStage(store, topic + "-events", topic + "-snapshots"))))
"""


def test_a_running_stage_ends_for_good_when_its_large_file_turns_out_to_be_damaged(kafka: str, whole: Path) -> None:
    # given
    topic = f"damaged-{uuid4().hex[:8]}"
    asyncio.run(ensure_topics(KafkaConnection(kafka), [TopicSpec(topic + end, 1) for end in ("", "-snapshots")]))
    with whole.open("r+b") as file:
        file.seek(whole.stat().st_size // 2 // 8192 * 8192)
        file.write(random.Random(1).randbytes(20_000))
    # when
    command = [sys.executable, "-c", STAGE_ON_A_LARGE_FILE, str(whole.parent), kafka, topic, str(free_port())]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    # then
    assert ended.returncode == STORE_LOST, ended.stderr
    assert "thing.sqlite is damaged" in ended.stderr + ended.stdout
    assert "`rapport rebuild thing` mends it" in ended.stderr + ended.stdout


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


def test_a_reader_says_what_is_missing_where_a_partition_ends_before_it_should(kafka: str) -> None:
    connection, name = KafkaConnection(kafka), f"read-{uuid4().hex[:8]}"
    asyncio.run(ensure_topics(connection, [TopicSpec(name, 1)]))
    asyncio.run(produce(connection, name, [(b"k", b"%d" % n, []) for n in range(3)]))
    found: list[bytes | None] = []

    async def read_too_far() -> None:
        async with LogReader(connection, patience=0.2) as log:
            async for fetched in log.read({}, {TP(name, 0): 5}):
                found.extend(record.value for records in fetched.values() for record in records)

    with pytest.raises(LogStalled, match=rf"nothing for 0.2 s of what is to be read: {name}:0 from 3 to 5"):
        asyncio.run(read_too_far())
    assert found == [b"0", b"1", b"2"]
