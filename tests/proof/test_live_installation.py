"""A running installation: real Kafka, real ClickHouse, the three stages as processes of their own."""

import asyncio
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pydantic import SecretStr

from schemas import topics
from services.cli.doctor import Finding, findings
from services.embedded.kafka import running_kafka
from services.embedded.processes import free_port
from services.loyalty.redeem_keys import redeem_keys_of
from services.projections.migrating import TablesGone, store_of
from services.proof.projecting import positions
from services.proof.rebuild import OldTablesKept, beside, drop_old, rebuild_projections
from services.proof.switch_over import SwitchOver
from services.proof.verify import Asked, Report, verify
from services.runtime.clock import SystemClock
from services.runtime.http_requests import Poster
from services.runtime.kafka import KafkaConnection, TopicSpec, ensure_topics, new_producer
from services.runtime.settings import ClickHouseSettings, KafkaSettings, LoyaltySettings, Settings
from services.runtime.stage_process import STORE_LOST
from services.runtime.warehouse import Warehouse
from tests.proof.story import STORY as WHOLE_STORY

STORY = tuple(one for one in WHOLE_STORY if one["type"] != "link")
"""Without the decision that keeps both customers in one linked set, so that one of them can be drawn as a sample."""
STAGES = ("profile", "loyalty", "projections")


def quiet(phase: str, done: int, total: int) -> None:
    """Progress that nobody looks at."""


@dataclass
class Live:
    """Where everything is, and the stages' processes."""

    settings: Settings
    warehouse: Warehouse
    environment: dict[str, str]
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self) -> None:
        for stage in STAGES:
            environment = os.environ | self.environment | {"RAPPORT_STAGE_METRICS_PORT": str(free_port()), "RAPPORT_LOG_LEVEL": "warning"}
            self.processes.append(subprocess.Popen([sys.executable, "-m", f"services.{stage}.app"], env=environment))

    def stop(self) -> None:
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
        for process in self.processes:
            process.wait(30)
        self.processes.clear()

    def say(self, *touchpoints: dict[str, Any]) -> None:
        """To Kafka, as ingest does."""
        asyncio.run(self._say(touchpoints))

    async def _say(self, touchpoints: tuple[dict[str, Any], ...]) -> None:
        producer = new_producer(KafkaConnection(self.settings.kafka.servers))
        await producer.start()
        for touchpoint in touchpoints:
            key = touchpoint["identifiers"][0]["value"].encode()
            await producer.send(topics.TOUCHPOINTS.name, json.dumps(touchpoint).encode(), key=key)
        await producer.stop()

    def redeem(self, id: str, points: int) -> list[int]:
        """By everybody who has so many; the HTTP statuses."""
        view, key = "living.loyalty_accounts", redeem_keys_of(self.settings.data_dir).create("till")
        ids = [account for (account,) in self.warehouse.select(f"SELECT toString(account_id) FROM {view} WHERE available >= {points}")]
        bodies = [{"customer_id": one, "points": points, "redemption_id": f"{id}-{one}"} for one in ids]
        url, headers = f"http://127.0.0.1:{self.settings.loyalty.port}/v1/redemptions", {"Authorization": f"Bearer {key}"}
        with Poster[int](url, headers) as poster:
            return [reply.status for _, reply in poster.post((n, json.dumps(body).encode()) for n, body in enumerate(bodies))]

    def verify(self, **asked: Any) -> Report:
        return asyncio.run(verify(self.settings, Asked(**asked), SystemClock(), quiet))

    def count(self, view: str) -> int:
        return int(self.warehouse.select(f"SELECT count() FROM {view}")[0][0])


@pytest.fixture(scope="module")
def live(warehouse: Warehouse, clickhouse_address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("installation")
    with running_kafka(tmp_path_factory.mktemp("kafka")) as bootstrap:
        specs = [TopicSpec(topic.name, 1 if topic.partitions == 1 else 2, 1, topic.config()) for topic in topics.TOPICS]
        asyncio.run(ensure_topics(KafkaConnection(bootstrap), specs))
        environment = {
            "RAPPORT_DATA_DIR": str(folder),
            "RAPPORT_KAFKA_BOOTSTRAP": bootstrap,
            "RAPPORT_CLICKHOUSE_URL": clickhouse_address,
            "RAPPORT_CLICKHOUSE_DATABASE": "living",
            "RAPPORT_LOYALTY_PORT": str(door := free_port()),
        }
        settings = Settings(
            data_dir=folder,
            loyalty=LoyaltySettings(port=door),
            kafka=KafkaSettings(bootstrap=bootstrap),
            clickhouse=ClickHouseSettings(url=SecretStr(clickhouse_address), database="living"),
        )
        live = Live(settings, warehouse, environment)
        live.start()
        live.say(*STORY[:-1])
        wait_for(lambda: (folder / "loyalty.sqlite").exists() and is_there(warehouse, "living") and live.count("living.touchpoints") == 8)
        live.say(STORY[-1])  # after the one that it contradicts, which may be on another partition
        wait_for(lambda: live.count("living.quarantine") == 1)
        yield live
        live.stop()


def clickhouse_by_doctor(live: Live) -> Finding:
    return next(one for one in findings(live.settings) if one.what == "ClickHouse")


def is_there(warehouse: Warehouse, database: str) -> bool:
    return bool(warehouse.select("SELECT 1 FROM system.tables WHERE database = %(name)s AND name = 'readme'", {"name": database}))


def wait_for(condition: Callable[[], bool], within: float = 180.0) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def test_an_installation_that_was_left_alone_is_proven_equal(live: Live) -> None:
    report = live.verify()

    assert report.differences == []
    assert report.unequal == set()
    assert (report.touchpoints, report.customers, report.apart) == (9, 2, 0)
    assert not is_there(live.warehouse, "living_verify")


def test_redemptions_are_proven_by_what_was_published_of_them_and_a_changed_one_is_found(live: Live) -> None:
    wait_for(lambda: live.count("living.loyalty_accounts WHERE available >= 5") == 2)
    assert live.redeem("r", 5) == [200, 200]
    wait_for(lambda: live.count("living.redemptions") == 2)
    assert live.verify().differences == []

    path = live.settings.data_dir / "loyalty.sqlite"
    with sqlite3.connect(path) as db:
        owner, item, value = db.execute("SELECT owner, item, value FROM items_facts WHERE item LIKE '%redemption:%' LIMIT 1").fetchone()
        fact = msgspec.msgpack.decode(value)
        fact[-1] += 1
        db.execute("UPDATE items_facts SET value = ? WHERE owner = ? AND item = ?", (msgspec.msgpack.encode(fact), owner, item))
    found = live.verify(tables=False)
    with sqlite3.connect(path) as db:
        db.execute("UPDATE items_facts SET value = ? WHERE owner = ? AND item = ?", (value, owner, item))

    assert [(one.store, one.table, one.expected[-1], one.found[-1]) for one in found.differences] == [("loyalty", "fact", 5, 6)]


def test_a_sample_folds_only_what_is_about_its_customers(live: Live) -> None:
    report = live.verify(sample=1)

    assert report.unequal == set()
    assert 0 < report.touchpoints < 9
    assert report.customers == 1


def test_a_changed_row_of_the_profile_store_is_found_while_the_installation_runs(live: Live) -> None:
    path = live.settings.data_dir / "profile.sqlite"
    with sqlite3.connect(path) as db:
        key, value = db.execute("SELECT key, value FROM rows_facts ORDER BY key LIMIT 1").fetchone()
        facts = msgspec.msgpack.decode(value)
        facts[2] += 1
        db.execute("UPDATE rows_facts SET value = ? WHERE key = ?", (msgspec.msgpack.encode(facts), key))

    report = live.verify(tables=False)

    with sqlite3.connect(path) as db:
        db.execute("UPDATE rows_facts SET value = ? WHERE key = ?", (value, key))
    (difference,) = report.differences
    assert (difference.store, difference.table, difference.field, difference.found) == ("profile", "facts", "count", facts[2])


def test_a_place_beyond_the_end_of_the_log_is_a_difference_and_not_a_wait(live: Live) -> None:
    change = "UPDATE tracking SET notification_id = notification_id + ? WHERE application_name = 'touchpoints:0'"
    with sqlite3.connect(live.settings.data_dir / "profile.sqlite") as db:
        db.execute(change, (1_000,))

    report = live.verify(tables=False)

    with sqlite3.connect(live.settings.data_dir / "profile.sqlite") as db:
        db.execute(change, (-1_000,))
    (difference,) = report.differences
    assert (difference.store, difference.key, difference.field) == ("how far profile is", "touchpoints:0", "next offset to read")


def test_a_rebuild_puts_damaged_tables_right_and_keeps_the_old_ones_until_told_otherwise(live: Live) -> None:
    store = store_of("living")
    live.warehouse.command(f"ALTER TABLE {store}.purchases DELETE WHERE event_id = 'e1' SETTINGS mutations_sync = 2")
    assert {one.store for one in live.verify().compared if one.unequal} == {"ClickHouse purchases"}

    rebuilt = asyncio.run(rebuild_projections(live.settings, 2, quiet))

    assert rebuilt.switched
    assert [one.store for one in rebuilt.changed] == ["ClickHouse purchases"]
    assert live.verify().unequal == set()
    assert (live.count("living.purchases"), live.count("living_rebuild.purchases")) == (2, 1)
    with pytest.raises(OldTablesKept):
        asyncio.run(rebuild_projections(live.settings, 2, quiet))
    drop_old(live.settings)
    assert not is_there(live.warehouse, "living_rebuild")


def test_a_table_that_was_dropped_is_named_by_every_command_and_filled_again_by_a_rebuild(live: Live) -> None:
    # given
    store, purchases = store_of("living"), live.count("living.purchases")
    for table in ("purchases", "quarantine_decisions"):
        live.warehouse.command(f"DROP TABLE {store}.{table} SYNC")

    # then: nobody takes it for equal, or for empty
    named = r"purchases, quarantine_decisions.*`rapport rebuild projections`"
    with pytest.raises(TablesGone, match=named):
        live.verify()
    assert (finding := clickhouse_by_doctor(live)).verdict == "wrong"
    assert re.search(named, f"{finding.found} {finding.remedy}")
    environment = os.environ | live.environment | {"RAPPORT_STAGE_METRICS_PORT": str(free_port())}
    stage = subprocess.run([sys.executable, "-m", "services.projections.app"], env=environment, capture_output=True, text=True, timeout=60)
    assert stage.returncode == STORE_LOST
    assert re.search(named, stage.stderr + stage.stdout)
    command = [sys.executable, "-m", "services.cli", "migrate", "tables", "--data-dir", str(live.settings.data_dir)]
    migrated = subprocess.run(command, env=os.environ | live.environment, capture_output=True, text=True, timeout=60)
    assert re.search(named, migrated.stdout), migrated

    # when
    rebuilt = asyncio.run(rebuild_projections(live.settings, 2, quiet))

    # then
    assert rebuilt.switched
    assert rebuilt.made == ["purchases", "quarantine_decisions"]
    assert live.count("living.purchases") == purchases
    assert live.verify().unequal == set()
    assert clickhouse_by_doctor(live).verdict == "fine"
    drop_old(live.settings)


def test_what_the_projections_write_between_the_exchange_and_a_crash_is_not_lost(live: Live) -> None:
    # given: a rebuild that is killed after it has exchanged the tables, and before it has caught up
    asyncio.run(rebuild_projections(live.settings, 2, quiet, switch=False))
    late = dict(STORY[0], event_id="late", payload=STORY[0]["payload"] | {"order_id": "late"})
    live.say(late)
    wait_for(lambda: live.count("living.purchases") == 3)
    over = SwitchOver(live.warehouse, live.warehouse, "living", beside("living"))
    over.exchange(positions(live.warehouse, beside("living")))
    assert live.count("living.purchases") == 2
    assert "`rapport rebuild projections`" in clickhouse_by_doctor(live).remedy

    # when: it is started again
    rebuilt = asyncio.run(rebuild_projections(live.settings, 2, quiet))

    # then
    assert rebuilt.switched
    assert live.count("living.purchases") == 3
    assert clickhouse_by_doctor(live).verdict == "fine"
    assert live.verify().unequal == set()
    drop_old(live.settings)


def test_a_rebuild_that_is_killed_goes_on_where_it_was(live: Live) -> None:
    command = [sys.executable, "-m", "services.cli", "rebuild", "projections", "--data-dir", str(live.settings.data_dir)]
    process = subprocess.Popen(command, env=os.environ | live.environment, stdout=subprocess.DEVNULL)
    wait_for(lambda: is_there(live.warehouse, "living_rebuild"))
    process.kill()
    process.wait()

    done = subprocess.run(command, env=os.environ | live.environment, capture_output=True, text=True, timeout=120)

    assert done.returncode == 0, done.stderr
    assert "switched over" in done.stdout
    assert live.verify().unequal == set()
    drop_old(live.settings)


def test_the_command_says_with_its_exit_code_whether_all_is_equal_differs_or_could_not_be_checked(live: Live, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "services.cli", "verify", "--no-tables", "--data-dir"]
    environment = os.environ | live.environment
    with sqlite3.connect(live.settings.data_dir / "loyalty.sqlite") as db:
        ((key, value),) = db.execute("SELECT key, value FROM rows_accounts WHERE length(value) > 100 LIMIT 1").fetchall()
        account = msgspec.msgpack.decode(value)
        account[2] += 1
        db.execute("UPDATE rows_accounts SET value = ? WHERE key = ?", (msgspec.msgpack.encode(account), key))

    different = subprocess.run([*command, str(live.settings.data_dir)], env=environment, capture_output=True, text=True, timeout=120)
    with sqlite3.connect(live.settings.data_dir / "loyalty.sqlite") as db:
        db.execute("UPDATE rows_accounts SET value = ? WHERE key = ?", (value, key))
    equal = subprocess.run([*command, str(live.settings.data_dir)], env=environment, capture_output=True, text=True, timeout=120)
    unknown = subprocess.run([*command, str(tmp_path)], env=environment, capture_output=True, text=True, timeout=120)

    assert (equal.returncode, different.returncode, unknown.returncode) == (0, 1, 2), (equal, different, unknown)
    assert key in different.stdout
    assert "ada@example.org" not in different.stdout
