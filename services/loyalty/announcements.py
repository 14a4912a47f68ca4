"""The stage's domain events: numbers them by account and writes them as they will be published."""

from functools import lru_cache
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid5

import msgspec

from schemas import loyalty_events as published
from schemas.compiled import struct_of
from schemas.quarantine import Quarantined, kept
from services.loyalty.account_record import AccountRecord
from services.loyalty.moves import TierMove
from services.loyalty.posting import Posting
from services.loyalty.redeeming import Possible, Redeem
from services.loyalty.statements import Unusable
from services.runtime.event_store import NewEvent
from services.runtime.stage import Record

uuid_of = lru_cache(maxsize=400_000)(UUID)
_encode = msgspec.json.Encoder().encode
_EntryPosted = struct_of(published.EntryPosted)
_TierChanged = struct_of(published.TierChanged)
_MergedInto = struct_of(published.AccountMergedInto)
_RedemptionAccepted = struct_of(published.RedemptionAccepted)
_Quarantined = struct_of(Quarantined)


class Announcements:
    """The events of one batch, in order. ``of``: by account. ``touched``: accounts to be saved.

    ``traced``: cause → traceparent of the message that said it; ``traces``: index of an event → the traceparent of its cause.
    """

    def __init__(self, programme: str, recorded_at: str) -> None:
        self.programme, self.recorded_at = programme, recorded_at
        self.events: list[NewEvent] = []
        self.of: dict[str, list[NewEvent]] = {}
        self.touched: dict[str, AccountRecord] = {}
        self.traced: dict[str, bytes] = {}
        self.traces: dict[int, bytes] = {}

    def entry_posted(self, account: AccountRecord, posting: Posting) -> None:
        """An entry of the ledger; the account's balance moves with it."""
        entry, corrects = posting.entry, posting.corrects
        account.balance += posting.amount
        sequence = account.sequence + 1
        self._add(
            account,
            "entry_posted",
            _EntryPosted(
                account_id=account.id,
                sequence=sequence,
                recorded_at=self.recorded_at,
                cause=posting.cause,
                entry_id=f"{account.id}:{sequence}",
                programme=self.programme,
                kind=entry.kind if corrects is None else "compensate",
                corrects=corrects,
                corrected_kind=None if corrects is None else entry.kind,
                amount=posting.amount,
                lot_id=entry.lot_id,
                source_event=entry.source_event,
                rule=entry.rule,
                rule_version=entry.version,
                effective_at=entry.effective_at,
                available_from=entry.available_from,
                expires_at=entry.expires_at,
                balance=account.balance,
            ),
        )

    def tier_changed(self, account: AccountRecord, move: TierMove, cause: str) -> None:
        """The account is in another tier than was last said."""
        before, account.tier = account.tier, move.after
        self._add(
            account,
            "tier_changed",
            _TierChanged(
                **self._head(account, cause),
                programme=self.programme,
                before=before,
                after=move.after,
                effective_at=move.at,
                qualifying=move.qualifying,
            ),
        )

    def merged_into(self, account: AccountRecord, survivor: str) -> None:
        """Nothing is left in the account of a customer that was merged."""
        self._add(account, "account_merged_into", _MergedInto(**self._head(account, f"merge:{survivor}"), survivor=survivor))

    def redemption_accepted(self, account: AccountRecord, command: Redeem, possible: Possible, anchor: str) -> bytes:
        """Points are spent. Returns what is published."""
        said = _RedemptionAccepted(
            **self._head(account, possible.fact.event_id),
            redemption_id=command.redemption_id,
            customer_id=command.customer,
            anchor=anchor,
            points=command.points,
            occurred_at=possible.fact.at,
            source=command.source,
            why=command.why,
            balance=possible.balance,
        )
        return self._add(account, "redemption_accepted", said)

    def quarantined(self, record: Record, error: Unusable) -> None:
        """A message that nobody here understands is set aside."""
        place = f"{record.topic}:{record.partition}:{record.offset}"
        original, encoding, detail = kept(record.value or b"", error.detail)
        message = _Quarantined(
            quarantine_id=place,
            stage="loyalty",
            reason=error.reason,
            path=error.path,
            detail=detail,
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            received_at=self.recorded_at,
            quarantined_at=self.recorded_at,
            original=original,
            encoding=encoding,
        )
        self.events.append(NewEvent(uuid5(NAMESPACE_OID, f"loyalty:quarantine:{place}"), 1, "quarantined", _encode(message)))

    def _head(self, account: AccountRecord, cause: str) -> dict[str, Any]:
        return {"account_id": account.id, "sequence": account.sequence + 1, "recorded_at": self.recorded_at, "cause": cause}

    def _add(self, account: AccountRecord, kind: str, event: Any) -> bytes:
        account.sequence += 1
        self.touched[account.id] = account
        stored = NewEvent(uuid_of(account.id), account.sequence, kind, _encode(event))
        if self.traced and event.cause in self.traced:
            self.traces[len(self.events)] = self.traced[event.cause]
        self.events.append(stored)
        self.of.setdefault(account.id, []).append(stored)
        return stored.state
