"""After a change of the programme every account is folded anew, some at a time, whether anything else happens to it or not."""

from collections.abc import Iterator
from itertools import islice

from services.loyalty.account_record import decode_row
from services.loyalty.programme import Programme
from services.runtime.event_store import EventStore

KEY = "digest"


class ProgrammeChange:
    """``done`` once the store says that all its accounts were folded with this programme."""

    def __init__(self, store: EventStore, programme: Programme) -> None:
        self._store, self._digest = store, programme.digest
        self._rows: Iterator[tuple[str, bytes]] | None = None
        self.done = False

    def outdated(self, limit: int) -> list[str]:
        """Accounts folded with another programme, among the next ``limit`` in the store; it may be none though more follow."""
        if self._rows is None:
            self.done = self._store.rows("programme", [KEY]).get(KEY) == self._digest.encode()
            self._rows = self._store.all_rows("accounts")
        if self.done:
            return []
        page = list(islice(self._rows, limit))
        self.done = not page
        return [id for id, value in page if decode_row(value).programme != self._digest]

    def row(self) -> dict[str, bytes | None]:
        """What to store when all were folded."""
        return {KEY: self._digest.encode()}

    def restart(self) -> None:
        """What was looked at may not have been stored."""
        if not self.done:
            self._rows = None
