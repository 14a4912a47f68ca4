"""A joined batch of messages as rows by table, and what became of each message. Pure."""

import base64
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

from services.projections.messages import Quarantined
from services.projections.routing import COMPACTED, Unreadable, rows_of
from services.projections.table import Row, Table
from services.projections.tables import quarantine


class Record(Protocol):
    """A Kafka message, as far as projections look; ``timestamp`` in epoch milliseconds."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...
    @property
    def timestamp(self) -> int: ...


Outcomes = Counter[tuple[str, str]]
"""Messages by (outcome, reason)."""


@dataclass(slots=True)
class BatchRows:
    """Rows by table, in the order of their messages, and what became of these."""

    rows: defaultdict[Table, list[Row]] = field(default_factory=lambda: defaultdict(list))
    outcomes: Outcomes = field(default_factory=Counter)

    def add(self, other: "BatchRows") -> None:
        for table, rows in other.rows.items():
            self.rows[table] += rows
        self.outcomes += other.outcomes


def rows_of_batch(records: Iterable[Record]) -> BatchRows:
    """Everything that the records put into tables. Equal records give equal rows, whatever comes between."""
    batch = BatchRows()
    latest: dict[tuple[str, bytes | None], tuple[int, Record]] = {}
    for record in records:
        if record.topic in COMPACTED:
            _keep_latest(latest, record, batch)
        else:
            _take(batch, record)
    for _, record in latest.values():
        _take(batch, record)
    return batch


def _keep_latest(latest: dict[tuple[str, bytes | None], tuple[int, Record]], record: Record, batch: BatchRows) -> None:
    """Of a key's snapshots only the highest sequence is read: the others would be replaced at once."""
    sequence = sequence_of(record)
    if sequence is None:
        _take(batch, record)
        return
    slot = (record.topic, record.key)
    if slot not in latest:
        latest[slot] = sequence, record
        return
    batch.outcomes["applied", "superseded"] += 1
    if sequence >= latest[slot][0]:
        latest[slot] = sequence, record


def sequence_of(record: Record) -> int | None:
    """A snapshot's, by which the newest of a key is known; None where it names none."""
    for name, value in record.headers:
        if name == "sequence" and value.isdigit():
            return int(value)
    return None


def _take(batch: BatchRows, record: Record) -> None:
    try:
        for table, rows in rows_of(record.topic, record.offset, record.headers, record.value):
            batch.rows[table] += rows
        batch.outcomes["applied", ""] += 1
    except Unreadable as unreadable:
        batch.rows[quarantine.TABLE] += quarantine.to_rows(0, refusal(record, unreadable))
        batch.outcomes["quarantined", unreadable.reason] += 1


def refusal(record: Record, unreadable: Unreadable) -> Quarantined:
    """What quarantine keeps of a message that is none of ours. Its times are Kafka's, so that reading it again says the same."""
    original, encoding = _text(record.value or b"")
    arrived = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=record.timestamp)
    return Quarantined(
        quarantine_id=f"{record.topic}:{record.partition}:{record.offset}",
        stage="projections",
        reason=unreadable.reason,
        path="$",
        detail=unreadable.detail,
        received_at=arrived,
        quarantined_at=arrived,
        original=original,
        encoding=encoding,
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
    )


def _text(value: bytes) -> tuple[str, str]:
    try:
        return value.decode(), "utf8"
    except UnicodeDecodeError:
        return base64.b64encode(value).decode(), "base64"
