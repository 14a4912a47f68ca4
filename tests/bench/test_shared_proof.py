"""What the bench proves of workers that share a store: each way to lose or double work is seen."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec
import pytest

from bench.shared_proof import holders, wrong
from services.profile.identity import LinkedSet, Member

LOG = [(b"C1", b'{"event_id":"a"}'), (b"C2", b'{"event_id":"b"}'), (b"C1", b'{"event_id":"a"}')]


class Message(NamedTuple):
    partition: int
    offset: int
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]


@dataclass
class Store:
    last_id: int = 2
    read: dict[str, int] = field(default_factory=lambda: {"touchpoints:0": 3})
    rows: dict[str, dict[str, bytes]] = field(default_factory=lambda: {"touchpoints": {"a": b"", "b": b""}})

    def positions(self) -> dict[str, int]:
        return self.read

    def all_rows(self, kind: str) -> Iterable[tuple[str, bytes]]:
        return self.rows[kind].items()


def applied(id: int, event: str, key: bytes, sequence: int = 1) -> Message:
    headers = [("id", b"%d" % id), ("type", b"touchpoint_applied"), ("sequence", b"%d" % sequence)]
    return Message(0, id, key, json.dumps({"touchpoint": {"event_id": event}}).encode(), headers)


def found(*changes: Message, store: Store | None = None) -> str:
    return "; ".join(wrong(LOG, changes, [], store or Store(), {"touchpoints:0": 3}))


A, B = applied(1, "a", b"one"), applied(2, "b", b"two")


def test_each_event_applied_and_published_once_is_right_also_where_a_message_came_again_under_its_id() -> None:
    assert found(A, B, A, B) == ""


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ((A,), "sent, and not applied: 1, such as ['b']"),
        ((A,), "stored, and not published: 1, such as [2]"),
        ((A, applied(2, "a", b"two")), "applied twice: 1, such as ['a']"),
        ((A, applied(2, "b", b"one", 3)), "goes from sequence 1 to 3"),
        ((A, B, applied(3, "c", b"three")), "applied, and never sent: 1, such as ['c']"),
        ((A, B, applied(3, "c", b"three")), "published, and not stored: 1, such as [3]"),
        ((A, B, applied(2, "b", b"other")), "id 2 says two things"),
    ],
)
def test_work_lost_or_doubled_in_what_was_published_is_named(changes: tuple[Message, ...], said: str) -> None:
    assert said in found(*changes)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda store: store.read.update({"touchpoints:0": 2}), "not read to the end"),
        (lambda store: store.rows["touchpoints"].pop("b"), "not marked as seen: 1, such as ['b']"),
    ],
)
def test_work_lost_in_the_store_is_named(spoil: Callable[[Store], object], said: str) -> None:
    store = Store()
    spoil(store)
    assert said in found(A, B, store=store)


def test_who_holds_what_is_the_same_in_whatever_sets_it_lies_and_another_when_one_identifier_moves() -> None:
    def stored(*customers: tuple[str, str]) -> Store:
        sets = {key: LinkedSet(key, {key: Member(key, "email", key, ("", ""), customer)}, {}) for key, customer in customers}
        return Store(rows={"linked_sets": {key: msgspec.msgpack.encode(one) for key, one in sets.items()}})

    assert holders(stored(("x", "1"), ("y", "2"))) == holders(stored(("y", "2"), ("x", "1")))
    assert holders(stored(("x", "1"), ("y", "2"))) != holders(stored(("x", "1"), ("y", "1")))
