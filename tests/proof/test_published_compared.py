"""Every bit of the events in a store, on SQLite and PostgreSQL, is compared with what Kafka has of them."""

import asyncio
import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from schemas import topics
from services.proof.holders import Holders
from services.proof.published_compared import compare_published
from services.proof.scope import Scope
from services.proof.stores_compared import Compared
from services.runtime.store_snapshot import open_snapshot
from tests.proof.living import Living, living_on
from tests.proof.story import STORY

TOPICS = {"profile": topics.PROFILE_CHANGES.name, "loyalty": topics.LOYALTY_CHANGES.name}


@pytest.fixture(params=["sqlite", "postgres"])
def living(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Living]:
    with living_on(request, tmp_path) as living:
        living.say(*STORY)
        living.work()
        yield living


def compared(living: Living, stage: str) -> Compared:
    async def all_of() -> Compared:
        ends = await living.log.ends([TOPICS[stage], topics.QUARANTINE.name])
        return await compare_published(stage, store, living.log.read({}, ends), Holders({}, {}), Scope())

    with open_snapshot(living.settings, stage) as store:
        return asyncio.run(all_of())


def states(living: Living, stage: str) -> list[tuple[int, bytes]]:
    with open_snapshot(living.settings, stage) as store:
        return [(event.id, event.state) for event in store.events()]


def execute(living: Living, stage: str, sql: str, *parameters: object) -> None:
    """In either dialect."""
    if living.settings.store.url is None:
        with sqlite3.connect(living.folder / f"{stage}.sqlite") as one:
            one.execute(sql.replace("ID", "rowid"), parameters)
        return
    with psycopg.connect(living.settings.store.url.get_secret_value(), autocommit=True) as db:
        db.execute(f"SET search_path TO {stage}".encode())
        db.execute(sql.replace("ID", "notification_id").replace("?", "%s").encode(), parameters)


@pytest.mark.parametrize("stage", TOPICS)
def test_every_bit_of_every_event_counts(living: Living, stage: str) -> None:
    assert compared(living, stage).unequal == set()
    dice = random.Random(stage)
    for id, state in states(living, stage):
        flipped = bytearray(state)
        flipped[dice.randrange(len(state))] ^= 1 << dice.randrange(8)
        execute(living, stage, "UPDATE stored_events SET state = ? WHERE ID = ?", bytes(flipped), id)

        (difference,) = compared(living, stage).differences

        assert (difference.table, difference.field) == ("events", "message")
        execute(living, stage, "UPDATE stored_events SET state = ? WHERE ID = ?", state, id)


@pytest.mark.parametrize("stage", TOPICS)
def test_an_event_that_the_store_lacks_or_that_nobody_was_told_is_found(living: Living, stage: str) -> None:
    (id, _) = states(living, stage)[2]
    execute(living, stage, "DELETE FROM stored_events WHERE ID = ?", id)
    (difference,) = compared(living, stage).differences
    assert difference.found == "missing"

    for tp, records in living.log.records.items():
        living.log.records[tp] = [record for record in records if dict(record.headers).get("id") != b"4" or tp.topic != TOPICS[stage]]
    assert len(compared(living, stage).differences) == 2
