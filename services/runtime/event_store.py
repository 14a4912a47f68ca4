"""The event store as a stage sees it: a port with one contract suite (tests/contracts/test_event_store.py) and three adapters.

One transaction carries everything a batch of messages changes: new events, look-up rows, timers and the positions up
to which the input was read. Writers are optimistic: each remembers the store's head, and a commit after somebody
else's is refused with `Stale`, so whatever a writer has cached is true whenever its commit succeeds. One who was overtaken may take a turn.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

import msgspec


class NewEvent(msgspec.Struct, frozen=True, gc=False):
    """An event about to be stored. `version` counts its originator's events 1, 2, 3… without a hole."""

    originator: UUID
    version: int
    type: str
    state: bytes  # JSON, exactly as it will be published


class RecordedEvent(msgspec.Struct, frozen=True, gc=False):
    """A stored event. `id` is its notification id: 1, 2, 3… in commit order over the whole store, without a hole."""

    id: int
    originator: UUID
    version: int
    type: str
    state: bytes


LOST = "lost"
"""Type of an event that holds a place: its number was given to an event that went with a store that was lost, before anybody saw it.
It is never published."""

Rows = dict[str, dict[str, bytes | None]]
Items = dict[str, list[tuple[str, str, bytes | None]]]


@dataclass(slots=True)
class Transaction:
    """What one batch changes: written whole or not at all. Keys are any text that UTF-8 can hold."""

    positions: dict[str, tuple[int, int]] = field(default_factory=dict)
    """"topic:partition" -> (start, next). Stale unless the stored position is `start`, which is 0 where none is stored."""
    events: list[NewEvent] = field(default_factory=list)
    rows: Rows = field(default_factory=dict)
    """kind -> key -> value; None deletes."""
    items: Items = field(default_factory=dict)
    """kind -> (group, item key, value): many items under one group. None deletes; of one item's several, the last counts."""
    timers: dict[str, int | None] = field(default_factory=dict)
    """key -> due time in epoch milliseconds; None cancels."""
    watermarks: dict[str, int] = field(default_factory=dict)
    traces: dict[int, bytes] = field(default_factory=dict)
    """Index of an event in `events` -> the traceparent of the message that caused it. Kept by the worker (kept_traces.py)."""
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(outcome, reason) -> messages. Not stored: counted in the metrics once the transaction is committed."""

    def changes_state(self) -> bool:
        """Whether it outdates what other writers have cached. Positions and watermarks alone do not."""
        return bool(self.events or any(self.rows.values()) or any(self.items.values()) or self.timers)

    def is_empty(self) -> bool:
        return not (self.positions or self.watermarks or self.changes_state())


class Stale(Exception):
    """Another writer got there first: a position moved, or the head did, or a version or id is taken.

    Raised by `commit` and `write`; the transaction is rolled back whole and the store has read its head again. The
    caller drops every cache and decides again from what is stored now.
    """


class StoreLost(Exception):
    """What the store holds is gone or unreadable: nothing may be decided on it. Ends the process; a person must look.

    Raised when a stage starts, and by `refresh` where the file was deleted or replaced under a running process.
    """


class BeingExchanged(Exception):
    """Raised by `write`: another content is about to take the store's place, which takes a moment; the call may be repeated."""


class EventStore(Protocol):
    """One process's connection to a store that it may share with other processes.

    Called from one thread at a time, except that `finish` may run in a thread while others read. Reads see the last
    commit, and what this object has written since. An error of the database itself is raised as it comes; the call may then be repeated.
    """

    last_id: int
    """The highest notification id that this object knows to be committed."""

    def positions(self) -> dict[str, int]:
        """The next offset to read of every "topic:partition" that was ever read from."""

    def rows(self, kind: str, keys: Collection[str]) -> dict[str, bytes]:
        """The values of those keys that exist."""

    def items(self, kind: str, groups: Collection[str]) -> dict[str, list[tuple[str, bytes]]]:
        """(item key, value) by group, ordered by item key (as UTF-8). A group without items is left out."""

    def known_items(self, kind: str, items: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
        """Those of these (group, item key) that exist."""

    def all_rows(self, kind: str) -> Iterator[tuple[str, bytes]]:
        """Every row in key order, read in pages: a commit meanwhile may or may not be seen."""

    def due(self, now_ms: int, limit: int) -> list[str]:
        """Keys of the timers due by then, the longest due first. They stay until a transaction cancels or moves them."""

    def commit(self, transaction: Transaction) -> int:
        """`write` and `finish`. Returns the first new notification id; ids run on from there in the order of `events`."""

    def write(self, transaction: Transaction) -> int:
        """Everything of `commit` but making it durable; `finish` must follow before the next `write`. Raises Stale."""

    def finish(self) -> None:
        """Makes the written transaction durable; spends its time outside the GIL. After an exception nothing of it
        counts as written, and the next `write` is Stale."""

    def refresh(self) -> bool:
        """Reads the head again: true when another writer committed since this object last knew it, so caches are old."""

    def take_turn(self) -> bool:
        """Waits for the other writers, and keeps them out until the next `write` is finished or fails, or `leave_turn`. `refresh`
        comes next. False: others took too long; nobody is kept out.

        For a writer that was overtaken: whatever it decides in its turn is not Stale. A store that is not made for many writers
        returns True at once, and keeps nobody out.
        """

    def leave_turn(self) -> None:
        """Lets others in, where nothing was written."""

    def events_after(self, id: int, limit: int) -> list[RecordedEvent]:
        """In notification order."""

    def events_of(self, originator: UUID) -> list[RecordedEvent]:
        """In version order."""

    def events_since(self, versions: Mapping[UUID, int]) -> list[RecordedEvent]:
        """Each originator's events after that version of it: one originator's together, in version order."""

    def originators_after(self, id: int) -> dict[UUID, int]:
        """Each originator with an event after that notification id → the id of its newest; in no particular order."""

    def watermark(self, name: str) -> int:
        """0 where never set."""

    def set_watermark(self, name: str, value: int) -> None:
        """At once, in a transaction of its own."""

    def publisher_lock(self) -> bool:
        """Never waits. True when this process is now the store's only publisher, which it stays until `close`, its
        death, or the loss of its connection: ask again before each use."""

    def close(self) -> None:
        """Gives up the publisher's lock too."""


TRACES = "traces"
"""A kind of rows that every store has: see kept_traces.py."""
KIND = re.compile(r"[a-z][a-z0-9_]{0,40}\Z")


def checked_kinds(kinds: Iterable[str]) -> tuple[str, ...]:
    """Kinds become table names. Raises ValueError for one that cannot."""
    named = tuple(dict.fromkeys(kinds))
    for kind in named:
        if not KIND.match(kind):
            raise ValueError(f"a kind is named by lower-case letters, digits and underscores, not {kind!r}")
    return named


def last_of_each(items: Iterable[tuple[str, str, bytes | None]]) -> dict[tuple[str, str], bytes | None]:
    """(group, item key) -> the value given last."""
    return {(group, key): value for group, key, value in items}
