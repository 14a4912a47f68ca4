"""What whoever follows ``loyalty-events`` from the first one knows of each account: its number, balance and tier, and where it went."""

from uuid import UUID

import msgspec

from services.proof.published_profiles import HistoryBroken
from services.runtime.event_store import LOST, RecordedEvent


class _Message(msgspec.Struct, tag_field="event", gc=False):
    account_id: str


class _Entry(_Message, tag="entry_posted", gc=False):
    amount: int


class _Tier(_Message, tag="tier_changed", gc=False):
    after: str


class _MergedInto(_Message, tag="account_merged_into", gc=False):
    survivor: str


class _Redeemed(_Message, tag="redemption_accepted", gc=False):
    redemption_id: str


_message = msgspec.json.Decoder(_Entry | _Tier | _MergedInto | _Redeemed).decode


class PublishedAccounts:
    """All but ``redemptions`` by account id; ``refused``: originators of what was put in quarantine."""

    def __init__(self) -> None:
        self.last: dict[str, int] = {}
        self.balance: dict[str, int] = {}
        self.tier: dict[str, str] = {}
        self.merged_into: dict[str, str] = {}
        self.redemptions: list[RecordedEvent] = []
        self.refused: set[UUID] = set()

    def take(self, event: RecordedEvent) -> None:
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
        elif isinstance(message, _Tier):
            self.tier[id] = message.after
        elif isinstance(message, _MergedInto):
            self.merged_into[id] = message.survivor
            self.tier.pop(id, None)
        else:
            self.redemptions.append(event)
