"""The loyalty stage's store made again: facts and accounts of the fold, numbers and entries of what was published.

Where both differ the stage itself folds the account anew over the new store, and posts the difference as after any late fact.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import groupby, islice
from uuid import UUID

import msgspec

from schemas import topics
from schemas.times import from_millis
from services.loyalty import programme_file
from services.loyalty.account_record import AccountRow, decode_holder, decode_row
from services.loyalty.account_record import encode as encode_row
from services.loyalty.app import PROCESS
from services.loyalty.posting import Key, ledger
from services.loyalty.stage import LoyaltyStage
from services.proof.folding import Fold, Said
from services.proof.holders import Holders
from services.proof.loyalty_proven import LoyaltyProof
from services.proof.loyalty_state import ENTRY, behind_the_clock
from services.proof.profile_corrections import CAUSE
from services.proof.published_accounts import PublishedAccounts
from services.proof.refold import Place, published
from services.proof.scope import Scope
from services.proof.shown import readable
from services.proof.stores_compared import Compared
from services.proof.stores_proven import accounts_proven
from services.runtime.clock import SetClock
from services.runtime.event_store import EventStore, NewEvent, RecordedEvent, Transaction
from services.runtime.settings import Settings
from services.runtime.stage import Stage
from services.runtime.store_snapshot import StoreSnapshot

ROWS_A_TRANSACTION = 10_000
ACCOUNTS_A_TRANSACTION = 1_000
COPIED = ("lots", "holders", "programme", "redemptions")


class LoyaltyPlan:
    """See StorePlan."""

    process = PROCESS

    def __init__(self, settings: Settings) -> None:
        self._settings, self._programme = settings, programme_file.load(settings.loyalty.programme)
        self.digest = self._programme.digest
        self._said, self._folded = PublishedAccounts(), PublishedAccounts()
        self._refused: dict[UUID, NewEvent] = {}
        self._suspects: set[str] = set()
        self._fed = 0

    @property
    def later(self) -> Collection[Place]:
        return ()

    def stage(self, store: EventStore, now_ms: int, whole: bool) -> Stage:
        """At its beginning, so that what is overdue does not wait for more to come, as it does while a past is being loaded."""
        return self._stage(store, 0)

    def _stage(self, store: EventStore, now_ms: int) -> LoyaltyStage:
        return LoyaltyStage(store, self._programme, SetClock(now_ms), self._settings.stage.cache)

    def heard(self, events: Sequence[RecordedEvent]) -> None:
        for event in events:
            self._said.take(event)

    def feed(self, fold: Fold, stage: Stage) -> None:
        """Redemptions: only what was published tells of them."""
        accepted = [published(event, topics.LOYALTY_CHANGES.name) for event in self._said.redemptions[self._fed :]]
        self._fed += len(accepted)
        if accepted:
            fold.take(stage, accepted)

    def settle(self, fold: Fold, stage: Stage) -> None:
        """Its rows say all."""

    def folded(self, events: Iterable[Said]) -> None:
        for event in events:
            if event.type == "quarantined":
                self._refused[event.originator] = NewEvent(event.originator, event.version, event.type, event.state)
            else:
                self._folded.take(event)

    def compare(self, fold: StoreSnapshot, live: StoreSnapshot, beside: StoreSnapshot, now_ms: int, scope: Scope) -> Compared:
        scope.apart |= behind_the_clock(live, from_millis(now_ms))
        holders = Holders(_holders(fold), _holders(live))
        return accounts_proven(LoyaltyProof(fold, live, self._said, self._folded, holders, beside), scope)

    def lost(self) -> int:
        """A fact that is gone takes its points with it: the difference is posted."""
        return 0

    def fill(self, fold: StoreSnapshot, beside: StoreSnapshot) -> Iterator[Transaction]:
        for kind in COPIED:
            rows = fold.rows(kind)
            while page := dict(islice(rows, ROWS_A_TRANSACTION)):
                yield Transaction(rows={kind: dict(page)})
        items = fold.items("facts")
        while some := list(islice(items, ROWS_A_TRANSACTION)):
            yield Transaction(items={"facts": list(some)})
        accounts, known = fold.rows("accounts"), set[str]()
        while page := dict(islice(accounts, ROWS_A_TRANSACTION)):
            known |= page.keys()
            yield self._accounts(page, page.keys())
        others = self._said.last.keys() - known
        yield self._accounts({}, others)
        self._suspects |= others | _other_ledgers(fold, beside, self._said.other_ledgers(self._folded))

    def finish(self, fold: Fold, beside: EventStore, spoken_of: set[str], wrong: set[str], now_ms: int) -> Iterator[Transaction]:
        touched = spoken_of | fold.changed_rows.get("accounts", {}).keys()
        transaction = self._accounts(fold.store.rows("accounts", touched), touched)
        transaction.rows |= {kind: fold.changed_rows.get(kind, {}) for kind in COPIED}
        transaction.items = fold.changed_items
        transaction.events = [event for originator, event in self._refused.items() if originator not in self._said.refused]
        yield transaction
        stage = self._stage(beside, now_ms)
        waiting = sorted(self._suspects | touched | wrong)
        for begin in range(0, len(waiting), ACCOUNTS_A_TRANSACTION):
            part = waiting[begin : begin + ACCOUNTS_A_TRANSACTION]
            yield stage.correct(part, [id for id in part if id in wrong], CAUSE)

    def _accounts(self, rows: dict[str, bytes], ids: Iterable[str]) -> Transaction:
        """With what was said of them. Notes those of which something else should have been said."""
        said, transaction = self._said, Transaction(rows={"accounts": {}})
        for id in ids:
            account = decode_row(rows[id]) if id in rows else AccountRow(id, anchors=[])
            tier, sequence = account.tier, account.sequence
            account.sequence, account.balance = said.last.get(id, 0), said.balance.get(id, 0)
            account.tier, account.announced = said.tier.get(id), said.merged_into.get(id)
            if account.announced != account.merged_into or (tier != account.tier and sequence):
                self._suspects.add(id)
            if account.sequence or account.anchors or account.gone:
                transaction.rows["accounts"][id] = encode_row(account)
            if account.due_ms is not None:
                transaction.timers[id] = account.due_ms
        return transaction


def _other_ledgers(expected: StoreSnapshot, found: StoreSnapshot, among: Iterable[str]) -> set[str]:
    """Accounts among these whose entries add up to something else."""
    accounts = {UUID(id): 0 for id in among}
    wanted, there = _ledgers(expected, accounts), _ledgers(found, accounts)
    return {str(id) for id in accounts if wanted.get(id) != there.get(id)}


def _ledgers(store: StoreSnapshot, accounts: dict[UUID, int]) -> dict[UUID, dict[Key, int]]:
    """By account what its entries add up to, without those that add up to nothing."""
    events = groupby(store.events_since(accounts), key=lambda event: event.originator)
    return {originator: net for originator, some in events if (net := _net(list(some)))}


def _net(events: Sequence[RecordedEvent]) -> dict[Key, int]:
    try:
        entries = ledger(event.state for event in events if event.type == ENTRY)
    except (msgspec.MsgspecError, KeyError):
        return {}
    return {key: entry.amount for key, entry in entries.items() if entry.amount}


def _holders(store: StoreSnapshot) -> dict[str, str]:
    found = ((id, readable(decode_holder, value)) for id, value in store.rows("holders"))
    return {id: holder.customer for id, holder in found if holder is not None}
