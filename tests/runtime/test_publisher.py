"""When snapshots are made: soon while there is time, few while a backlog is worked off, each customer's last in the end."""

import time
from collections.abc import Iterable, Iterator
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from services.runtime.publisher import BEHIND_SECONDS, MOST_SHARE_SECONDS, SNAPSHOTS_AT_ONCE, Publisher
from services.runtime.stage import Message

MANY = 2 * SNAPSHOTS_AT_ONCE + 7


class Outbox:
    """Every originator was touched once, by the event of its number."""

    def __init__(self) -> None:
        self.published, self.sent, self.covered = MANY, list[bytes](), list[int | None]()
        self._touched = {UUID(int=number): number for number in range(1, MANY + 1)}

    def take_touched(self) -> dict[UUID, int]:
        taken, self._touched = self._touched, {}
        return taken

    def key(self, originator: UUID) -> bytes:
        return str(originator).encode()

    def add_snapshots(self, messages: Iterable[Message], after: int, covered: int | None) -> None:
        self.sent += [message.key for message in messages]
        self.covered.append(covered)


class Stage:
    name = "counting"

    def snapshots(self, touched: Iterable[UUID]) -> Iterator[Message]:
        return (Message("snapshots", str(one).encode(), b"{}") for one in touched)


def publisher(outbox: Any) -> Publisher:
    store: Any = SimpleNamespace(last_id=MANY)
    return Publisher(outbox, store, Stage(), snapshot_seconds=1.0, max_backlog=1)  # type: ignore[arg-type]


def test_whoever_keeps_up_makes_all_of_a_round_in_one_go() -> None:
    outbox = Outbox()

    publisher(outbox).take_snapshots(time.monotonic())

    assert len(set(outbox.sent)) == MANY
    assert outbox.covered == [None, None, MANY]


def test_however_long_ago_the_last_were_made_nobody_waits_longer_than_half_a_second_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a start, when as many may be missing as there are customers."""
    clock, outbox = SimpleNamespace(now=6_000.0), Outbox()
    monkeypatch.setattr("services.runtime.publisher.time.monotonic", lambda: clock.now)
    made = Stage.snapshots

    def slowly(self: Stage, touched: Iterable[UUID]) -> Iterator[Message]:
        clock.now += 0.6 * MOST_SHARE_SECONDS
        return made(self, touched)

    monkeypatch.setattr(Stage, "snapshots", slowly)

    publisher(outbox).take_snapshots(clock.now)

    assert len(outbox.sent) == 2 * SNAPSHOTS_AT_ONCE


def test_whoever_is_behind_makes_one_part_at_a_time_and_goes_on_where_it_was() -> None:
    outbox, began = Outbox(), time.monotonic()
    behind = publisher(outbox)

    # when: it is asked again and again within half a second
    for after in (0.0, 0.1, 0.2, 0.4):
        behind.take_snapshots(began + after, behind=True)
    assert len(outbox.sent) == SNAPSHOTS_AT_ONCE
    behind.take_snapshots(began + BEHIND_SECONDS, behind=True)
    assert len(outbox.sent) == 2 * SNAPSHOTS_AT_ONCE

    # then: all have their last when it has caught up, each once, in the order of events
    behind.take_snapshots(began + 10)
    assert outbox.sent == [str(UUID(int=number)).encode() for number in range(1, MANY + 1)]
    assert outbox.covered == [None, None, MANY]
