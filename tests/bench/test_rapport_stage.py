"""Rapport's own part in the simple job: what a plain fold comes to, in batches of any size, whatever it remembers."""

import json
from collections.abc import Iterator
from itertools import islice

import msgspec
import pytest

from bench.peers.catalogue import named
from bench.peers.expected import difference, expected
from bench.peers.rapport_stage import KINDS, SimpleStage, originator_of
from bench.profile_stage import Record
from bench.traffic import simple_touchpoints
from services.runtime.event_store_memory import MemoryEventStore

Log = list[tuple[bytes, bytes]]


@pytest.fixture
def store() -> MemoryEventStore:
    return MemoryEventStore(kinds=KINDS)


def batches(log: Log, size: int) -> Iterator[list[Record]]:
    rest = (Record(value, offset, key=key) for offset, (key, value) in enumerate(log))
    while batch := list(islice(rest, size)):
        yield batch


def take(store: MemoryEventStore, log: Log, size: int, forget: bool = False) -> None:
    stage = SimpleStage(store, "out", remember=3)
    for batch in batches(log, size):
        store.commit(stage.decide(batch))
        if forget:
            stage.forget()


@pytest.mark.parametrize(("size", "forget"), [(1, False), (7, False), (7, True), (1_000, False)])
def test_it_publishes_one_message_for_each_new_touchpoint_and_comes_to_what_a_plain_fold_does(
    store: MemoryEventStore, size: int, forget: bool
) -> None:
    log = list(simple_touchpoints(20, 400))
    wanted = expected(log)
    take(store, log, size, forget)
    (peer,) = named(["rapport-runtime"])
    names = {peer.key_of(name): name for name in wanted.profiles}
    events = store.events_after(0, 1_000)
    last = {names[str(event.originator)]: msgspec.json.decode(event.state)["profile"] for event in events}
    assert difference(wanted, len(events), last) == ""


def test_a_repeat_says_nothing_however_long_ago_it_was_and_is_counted_as_one(store: MemoryEventStore) -> None:
    log = list(simple_touchpoints(20, 50))
    take(store, log, 10)
    again = SimpleStage(store, "out", remember=3).decide([Record(log[0][1], 50, key=log[0][0])])
    assert again.events == []
    assert dict(again.outcomes) == {("duplicate", ""): 1, ("applied", ""): 0}


def test_the_messages_of_a_customer_are_numbered_without_a_hole(store: MemoryEventStore) -> None:
    log = list(simple_touchpoints(3, 60))
    take(store, log, 7, forget=True)
    events = store.events_of(originator_of(log[0][0].decode()))
    assert [event.version for event in events] == list(range(1, len(events) + 1))
    assert len({json.loads(event.state)["event_id"] for event in events}) == len(events) > 1
