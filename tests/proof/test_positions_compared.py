"""How far a stage says that it is: nowhere beyond what there is, and what it remembers is what came before that place."""

import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas import topics
from services.proof.positions_compared import HighestIds, compare_positions, compare_reached, positions_of, within
from services.proof.stores_compared import Compared
from services.runtime.batches import TP
from services.runtime.store_snapshot import open_snapshot
from tests.proof.living import Living
from tests.proof.story import STORY

READS = {"profile": topics.TOUCHPOINTS.name, "loyalty": topics.PROFILE_CHANGES.name}


@pytest.fixture
def living(tmp_path: Path) -> Iterator[Living]:
    living = Living(tmp_path / "data")
    living.say(*STORY)
    living.work()
    yield living
    living.close()


def compared(living: Living, stage: str) -> Compared:
    async def look() -> Compared:
        ends, highest = await living.log.ends([READS[stage]]), HighestIds(positions_of(store))
        async for _ in highest.noting(living.log.read({}, ends)):
            pass
        return compare_positions(stage, store, ends, highest.found if stage == "loyalty" else None)

    with open_snapshot(living.settings, stage) as store:
        return asyncio.run(look())


def first(living: Living, stage: str, table: str, column: str, begin: str) -> str:
    """The first of that table's names that begins so."""
    with sqlite3.connect(living.folder / f"{stage}.sqlite") as db:
        return str(db.execute(f"SELECT min({column}) FROM {table} WHERE {column} LIKE '{begin}%'").fetchone()[0])


def change(living: Living, stage: str, sql: str) -> None:
    with sqlite3.connect(living.folder / f"{stage}.sqlite") as db:
        assert db.execute(sql).rowcount == 1


def test_stages_that_were_left_alone_are_where_they_say(living: Living) -> None:
    assert [compared(living, stage).differences for stage in READS] == [[], []]


@pytest.mark.parametrize("stage", READS)
def test_a_place_beyond_the_end_is_found_and_read_no_further_than_the_end(living: Living, stage: str) -> None:
    name = first(living, stage, "tracking", "application_name", READS[stage])
    change(living, stage, f"UPDATE tracking SET notification_id = notification_id + 1 WHERE application_name = '{name}'")

    (difference,) = compared(living, stage).differences

    assert (difference.key, difference.field, difference.customer) == (name, "next offset to read", "")
    ends = asyncio.run(living.log.ends([READS[stage]]))
    with open_snapshot(living.settings, stage) as store:
        assert within(positions_of(store), ends) == ends


def test_any_other_highest_id_than_the_one_before_its_place_is_found(living: Living) -> None:
    name = first(living, "loyalty", "watermarks", "name", "seen:")
    for step in (1, -2):
        change(living, "loyalty", f"UPDATE watermarks SET value = value + {step} WHERE name = '{name}'")

        (difference,) = compared(living, "loyalty").differences

        assert difference.field == "highest id seen"


@pytest.mark.parametrize("stage", READS)
def test_to_have_published_more_than_there_is_is_found(living: Living, stage: str) -> None:
    change(living, stage, "UPDATE watermarks SET value = value + 1 WHERE name = 'published'")

    (difference,) = compared(living, stage).differences

    assert difference.field == "published"


def test_tables_cannot_hold_more_messages_than_there_are() -> None:
    one, other = TP("profiles", 0), TP("profiles", 1)
    assert compare_reached("projections", {one: 5, other: 3}, {one: 5, other: 9}).unequal == set()
    (difference,) = compare_reached("projections", {one: 6}, {one: 5}).differences
    assert (difference.key, difference.found) == ("profiles:0", 6)
