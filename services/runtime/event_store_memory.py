"""An event store in memory, for tests of pure stages: the semantics of the real ones, without their files."""

from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence
from copy import copy
from sys import maxsize
from threading import Lock
from typing import Any, TypeVar
from uuid import UUID

from eventsourcing.persistence import IntegrityError, Notification, StoredEvent
from eventsourcing.popo import POPOProcessRecorder

from services.runtime.event_store import TRACES, RecordedEvent, Stale, Transaction, checked_kinds, last_of_each

WRITE_TIMEOUT_SECONDS = 2.0
V = TypeVar("V")


class MemoryRecorder(POPOProcessRecorder):
    """The library's own recorder; positions are its tracking records."""

    commits_of_others = 0

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int] | None:
        """How the library writes; the store itself calls `append`."""
        self.commits_of_others += 1
        return super().insert_events(stored_events, **kwargs)

    def append(self, stored_events: Sequence[StoredEvent]) -> None:
        super().insert_events(stored_events)

    def __copy__(self) -> "MemoryRecorder":
        other = MemoryRecorder()
        other._stored_events = list(self._stored_events)
        for originator, versions in self._stored_events_index.items():
            other._stored_events_index[originator] = dict(versions)
        other._max_tracking_ids.update(self._max_tracking_ids)
        other.commits_of_others = self.commits_of_others
        return other

    def positions(self) -> dict[str, int]:
        return {name: position for name, position in self._max_tracking_ids.items() if position is not None}

    def places(self, originator: UUID) -> list[int]:
        """How many events are before each of its own, in their order."""
        return [place for _, place in sorted(self._stored_events_index[str(originator)].items())]

    def move(self, name: str, position: int) -> None:
        self._max_tracking_ids[name] = position


class MemoryDatabase:
    """What outlives a store object: give one to several stores, and they are several writers of one database."""

    def __init__(self) -> None:
        self.recorder = MemoryRecorder()
        self.rows: dict[str, dict[str, bytes]] = {}
        self.items: dict[str, dict[str, dict[str, bytes]]] = {}
        self.timers: dict[str, int] = {}
        self.watermarks: dict[str, int] = {}
        self.head = 0
        self.writing = Lock()
        self.publisher: object | None = None

    def head_now(self) -> int:
        return self.head + self.recorder.commits_of_others

    def contents(self) -> dict[str, Any]:
        return {
            "rows": {kind: dict(rows) for kind, rows in self.rows.items()},
            "items": {kind: {group: dict(of) for group, of in groups.items()} for kind, groups in self.items.items()},
            "timers": dict(self.timers),
            "watermarks": dict(self.watermarks),
            "head": self.head,
            "recorder": copy(self.recorder),
        }

    def restore(self, contents: dict[str, Any]) -> None:
        vars(self).update(contents)


class MemoryEventStore:
    """See EventStore. Its one weakness: other writers already see what is written and not finished."""

    def __init__(self, database: MemoryDatabase | None = None, *, kinds: Iterable[str] = (), item_kinds: Iterable[str] = ()) -> None:
        self.database = database or MemoryDatabase()
        for kind in checked_kinds((*kinds, TRACES)):
            self.database.rows.setdefault(kind, {})
        for kind in checked_kinds(item_kinds):
            self.database.items.setdefault(kind, {})
        self._undo: dict[str, Any] | None = None
        self._head = -1
        self.refresh()

    @property
    def recorder(self) -> MemoryRecorder:
        return self.database.recorder

    def positions(self) -> dict[str, int]:
        return self.recorder.positions()

    def rows(self, kind: str, keys: Collection[str]) -> dict[str, bytes]:
        stored = self.database.rows[kind]
        return {key: stored[key] for key in keys if key in stored}

    def items(self, kind: str, groups: Collection[str]) -> dict[str, list[tuple[str, bytes]]]:
        stored = self.database.items[kind]
        return {group: sorted(stored[group].items()) for group in groups if stored.get(group)}

    def known_items(self, kind: str, items: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
        stored = self.database.items[kind]
        return {(group, item) for group, item in items if item in stored.get(group, ())}

    def all_rows(self, kind: str) -> Iterator[tuple[str, bytes]]:
        return iter(sorted(self.database.rows[kind].items()))

    def due(self, now_ms: int, limit: int) -> list[str]:
        due = sorted((at, key) for key, at in self.database.timers.items() if at <= now_ms)
        return [key for _, key in due[:limit]]

    def commit(self, transaction: Transaction) -> int:
        first = self.write(transaction)
        self.finish()
        return first

    def write(self, transaction: Transaction) -> int:
        first = self.last_id + 1
        if transaction.is_empty():
            return first
        if not self.database.writing.acquire(timeout=WRITE_TIMEOUT_SECONDS):
            raise TimeoutError("another writer's transaction is still open")
        before = self.database.contents()
        try:
            self._check(transaction)
            self._apply(transaction)
        except BaseException:
            self.database.restore(before)
            self.refresh()
            self.database.writing.release()
            raise
        self._undo = before
        return first

    def _check(self, transaction: Transaction) -> None:
        if self.database.head_now() != self._head:
            raise Stale("another writer committed")
        stored = self.positions()
        for name, (start, _) in transaction.positions.items():
            if stored.get(name, 0) != start:
                raise Stale(f"{name} is at {stored.get(name, 0)}, not {start}")
        for kind, rows in transaction.rows.items():
            _check_keys(kind, self.database.rows, rows)
        for kind, items in transaction.items.items():
            _check_keys(kind, self.database.items, (key for group, item, _ in items for key in (group, item)))
        _check_keys("timers", {"timers"}, transaction.timers)
        try:
            self.recorder._assert_uniqueness(_stored(transaction))
        except IntegrityError as taken:
            raise Stale("an event's version is taken") from taken

    def _apply(self, transaction: Transaction) -> None:
        self.recorder.append(_stored(transaction))
        for name, (_, position) in transaction.positions.items():
            self.recorder.move(name, position)
        for kind, rows in transaction.rows.items():
            _upsert(self.database.rows[kind], rows)
        for kind, items in transaction.items.items():
            for (group, key), value in last_of_each(items).items():
                _upsert(self.database.items[kind].setdefault(group, {}), {key: value})
        _upsert(self.database.timers, transaction.timers)
        self.database.watermarks.update(transaction.watermarks)
        self.database.head += transaction.changes_state()

    def take_turn(self) -> bool:
        return True

    def leave_turn(self) -> None:
        """There is none."""

    def finish(self) -> None:
        if self._undo:
            self._undo = None
            self.refresh()
            self.database.writing.release()

    def refresh(self) -> bool:
        head = self.database.head_now()
        moved, self._head = self._head != head, head
        self.last_id = self.recorder.max_notification_id() or 0
        return moved

    def events_after(self, id: int, limit: int) -> list[RecordedEvent]:
        return [_recorded(event) for event in self.recorder.select_notifications(id + 1, limit)] if limit > 0 else []

    def events_of(self, originator: UUID) -> list[RecordedEvent]:
        return [one for place in self.recorder.places(originator) for one in self.events_after(place, 1)]

    def events_since(self, versions: Mapping[UUID, int]) -> list[RecordedEvent]:
        later = [event for event in self.events_after(0, maxsize) if event.version > versions.get(event.originator, maxsize)]
        return sorted(later, key=lambda event: (event.originator, event.version))

    def originators_after(self, id: int) -> dict[UUID, int]:
        return {event.originator: event.id for event in self.events_after(id, maxsize)}

    def watermark(self, name: str) -> int:
        return self.database.watermarks.get(name, 0)

    def set_watermark(self, name: str, value: int) -> None:
        self.database.watermarks[name] = value

    def publisher_lock(self) -> bool:
        if self.database.publisher is None:
            self.database.publisher = self
        return self.database.publisher is self

    def close(self) -> None:
        if self._undo:
            self.database.restore(self._undo)
            self._undo = None
            self.database.writing.release()
        if self.database.publisher is self:
            self.database.publisher = None


def _check_keys(kind: str, declared: Container[str], keys: Iterable[str]) -> None:
    """Raises what the real stores would."""
    if kind not in declared:
        raise KeyError(kind)
    for key in keys:
        key.encode()


def _upsert(stored: dict[str, V], changes: dict[str, V | None]) -> None:
    for key, value in changes.items():
        if value is None:
            stored.pop(key, None)
        else:
            stored[key] = value


def _stored(transaction: Transaction) -> list[StoredEvent]:
    return [StoredEvent(event.originator, event.version, event.type, event.state) for event in transaction.events]


def _recorded(event: Notification) -> RecordedEvent:
    assert isinstance(event.originator_id, UUID)
    return RecordedEvent(event.id, event.originator_id, event.originator_version, event.topic, event.state)
