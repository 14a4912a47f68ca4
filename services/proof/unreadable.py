"""Messages on Kafka that projections cannot read, and must have put into quarantine. Pure."""

from collections.abc import Iterable

from services.projections.batch_rows import sequence_of
from services.projections.routing import COMPACTED, Unreadable, rows_of
from services.runtime.stage import Record

Key = tuple[str, bytes | None]


class UnreadableMessages:
    """Keeps those that ``take`` was given. Of a key's snapshots only the latest counts: projections may have passed over the others."""

    def __init__(self) -> None:
        self._found: list[tuple[Record, int | None]] = []
        self._latest: dict[Key, int] = {}

    def take(self, records: Iterable[Record]) -> None:
        """Of any topic that projections read, each partition's in order."""
        for record in records:
            sequence = sequence_of(record) if record.topic in COMPACTED else None
            if sequence is not None:
                key = record.topic, record.key
                self._latest[key] = max(sequence, self._latest.get(key, sequence))
            try:
                rows_of(record.topic, record.offset, record.headers, record.value)
            except Unreadable:
                self._found.append((record, sequence))

    def must_be_quarantined(self) -> list[Record]:
        """Of all that was taken."""
        return [record for record, sequence in self._found if sequence in (None, self._latest.get((record.topic, record.key)))]
