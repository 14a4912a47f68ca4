"""What a fold brings forth, in order: entries of the ledger and tier changes."""

import msgspec


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One entry of the ledger as the fold expects it. ``cause``: the event_id of the fact at hand, or ``clock``."""

    kind: str
    amount: int
    lot_id: str
    source_event: str
    rule: str | None
    version: int | None
    effective_at: str
    available_from: str | None
    expires_at: str | None
    cause: str


class TierMove(msgspec.Struct, frozen=True, gc=False):
    """The tier changed. ``before`` is None when the account opens."""

    before: str | None
    after: str
    at: str
    qualifying: int
    cause: str


Move = Entry | TierMove
