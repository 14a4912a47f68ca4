"""What whoever follows ``loyalty-events`` from the first one knows of each account: its number, balance and tier, and where it went."""

from uuid import UUID

import msgspec

from services.proof.folding import Said
from services.proof.published_profiles import HistoryBroken
from services.runtime.event_store import LOST, RecordedEvent


class _Message(msgspec.Struct, tag_field="event", gc=False):
    account_id: str


class _Entry(_Message, tag="entry_posted", gc=False):
    kind: str
    amount: int
    lot_id: str
    source_event: str
    rule: str | None
    rule_version: int | None
    effective_at: str
    corrected_kind: str | None = None
    available_from: str | None = None
    expires_at: str | None = None


class _Tier(_Message, tag="tier_changed", gc=False):
    after: str


class _MergedInto(_Message, tag="account_merged_into", gc=False):
    survivor: str


class _Redeemed(_Message, tag="redemption_accepted", gc=False):
    redemption_id: str


_message = msgspec.json.Decoder(_Entry | _Tier | _MergedInto | _Redeemed).decode


class PublishedAccounts:
    """All but ``redemptions`` by account id; ``refused``: originators of what was put in quarantine. ``ledger``: what the entries add up
    to, in one number: equal where the ledgers are, since an entry and what corrects it have one key. To be compared within one
    process."""

    def __init__(self) -> None:
        self.last: dict[str, int] = {}
        self.balance: dict[str, int] = {}
        self.ledger: dict[str, int] = {}
        self.tier: dict[str, str] = {}
        self.merged_into: dict[str, str] = {}
        self.redemptions: list[RecordedEvent] = []
        self.refused: set[UUID] = set()

    def take(self, event: Said) -> None:
        """The next one. Raises HistoryBroken, msgspec.MsgspecError."""
        if event.type == LOST:
            return
        if event.type == "quarantined":
            self.refused.add(event.originator)
            return
        message = _message(event.state)
        id = message.account_id
        if event.version != self.last.get(id, 0) + 1:
            raise HistoryBroken(f"account {id} goes from sequence {self.last.get(id, 0)} to {event.version}")
        self.last[id] = event.version
        self.merged_into.pop(id, None)
        if isinstance(message, _Entry):
            self.balance[id] = self.balance.get(id, 0) + message.amount
            self.ledger[id] = self.ledger.get(id, 0) + message.amount * hash(_key(message))
        elif isinstance(message, _Tier):
            self.tier[id] = message.after
        elif isinstance(message, _MergedInto):
            self.merged_into[id] = message.survivor
            self.tier.pop(id, None)
        elif isinstance(event, RecordedEvent):  # a fold takes them from here, and publishes none
            self.redemptions.append(event)

    def other_ledgers(self, others: "PublishedAccounts") -> set[str]:
        """Accounts whose entries seem to add up to something else."""
        ids = self.ledger.keys() | others.ledger.keys()
        return {id for id in ids if self.ledger.get(id, 0) != others.ledger.get(id, 0)}


def _key(entry: _Entry) -> tuple[object, ...]:
    """What makes two entries the same one (services/loyalty/posting.py), and their rule; of a correction, those of what it corrects."""
    return (
        entry.corrected_kind or entry.kind,
        entry.lot_id,
        entry.source_event,
        entry.effective_at,
        entry.rule_version,
        entry.available_from,
        entry.expires_at,
        entry.rule,
    )
