"""What the stage reads of its event store, with what it decided since and which may not be stored yet."""

from collections.abc import Collection, Iterable, Sequence

from services.loyalty.account_record import AccountRecord, Holder, account_of, decode_holder, decode_row, rows_of
from services.loyalty.announcements import uuid_of
from services.loyalty.facts import Fact, decode, encode, fact_key
from services.loyalty.posting import Ledger, ledger
from services.loyalty.remembered import Remembered
from services.runtime.event_store import EventStore, NewEvent, Transaction

KINDS = ("accounts", "lots", "holders", "programme", "redemptions")
"""``accounts``: account id → AccountRow; ``lots``: account id → lots, see stored_lots; ``holders``: identifier id → Holder;
``programme``: see programme_change; ``redemptions``: redemption id → the ``redemption_accepted`` that was published."""
ITEM_KINDS = ("facts",)
"""``facts``: anchor → fact key → Fact"""

ENTRY = "entry_posted"
Facts = dict[str, Fact]
"""Fact key → fact: the set that an account is folded over."""


class Archive:
    """Accounts and holders are kept in memory, ``remember`` of each, twice; facts and ledgers are read when they are needed."""

    def __init__(self, store: EventStore, remember: int) -> None:
        self._store = store
        self._accounts: Remembered[AccountRecord] = Remembered(remember)
        self._holders: Remembered[Holder] = Remembered(2 * remember)
        self._changed_holders: dict[str, Holder] = {}
        self._redemptions: dict[str, bytes] = {}
        self._facts: dict[str, Facts] = {}
        self._facts_before: dict[str, Facts] = {}
        self._events: dict[str, list[NewEvent]] = {}
        self._events_before: dict[str, list[NewEvent]] = {}

    def begin(self) -> None:
        """Before each batch: what was decided in the last one may not be in the store yet, all before it is."""
        self._accounts.age()
        self._holders.age()
        self._facts_before, self._facts = self._facts, {}
        self._events_before, self._events = self._events, {}
        self._changed_holders, self._redemptions = {}, {}

    def forget(self) -> None:
        self._accounts.forget()
        self._holders.forget()
        self._facts, self._facts_before, self._events, self._events_before = {}, {}, {}, {}

    def load_holders(self, identifiers: Iterable[str]) -> set[str]:
        """The customers that hold them."""
        every = set(identifiers)
        missing = [id for id in every if self._holders.get(id) is None]
        if missing:
            for id, value in self._store.rows("holders", missing).items():
                self._holders.put(id, decode_holder(value))
        return {holder.customer for id in every if (holder := self._holders.get(id)) is not None}

    def load_accounts(self, ids: Iterable[str]) -> None:
        missing = [id for id in ids if self._accounts.get(id) is None]
        if missing:
            rows = {id: decode_row(value) for id, value in self._store.rows("accounts", missing).items()}
            apart = [id for id, row in rows.items() if row.run is not None]
            lots = self._store.rows("lots", apart) if apart else {}
            for id, row in rows.items():
                self._accounts.put(id, account_of(row, lots.get(id, b"")))

    def holder(self, identifier: str) -> Holder | None:
        """Of an identifier that was loaded in this batch."""
        return self._holders.get(identifier)

    def hold(self, identifier: str, holder: Holder) -> None:
        self._holders.put(identifier, holder)
        self._changed_holders[identifier] = holder

    def redemption(self, id: str) -> bytes | None:
        """What was accepted with that id. Not for a batch whose forerunner may not be stored yet."""
        return self._redemptions.get(id) or self._store.rows("redemptions", [id]).get(id)

    def accept(self, redemption_id: str, said: bytes) -> None:
        self._redemptions[redemption_id] = said

    def known(self, id: str) -> AccountRecord | None:
        """An account that was loaded in this batch, if it exists."""
        return self._accounts.get(id)

    def account(self, id: str) -> AccountRecord:
        """An account that was loaded in this batch, or a new one."""
        account = self._accounts.get(id)
        if account is None:
            account = AccountRecord(id, anchors=[])
            self._accounts.put(id, account)
        return account

    def add_fact(self, anchor: str, fact: Fact) -> None:
        self._facts.setdefault(anchor, {})[fact_key(fact)] = fact

    def facts(self, accounts: Sequence[AccountRecord]) -> list[Facts]:
        """All facts of each account, those of this batch too."""
        stored = self._store.items("facts", {anchor for account in accounts for anchor in account.anchors})
        return [self._united(account.anchors, stored) for account in accounts]

    def known_facts(self, wanted: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
        """Those of these (anchor, fact key) that exist."""
        every = (self._facts_before, self._facts)
        recent = {(anchor, key) for anchor, key in wanted if any(key in facts.get(anchor, ()) for facts in every)}
        return recent | self._store.known_items("facts", wanted)

    def earned_under(self, account: AccountRecord) -> dict[str, str]:
        """Event id → the anchor under which that fact of the account is kept."""
        stored = self._store.items("facts", account.anchors)
        return {fact.event_id: anchor for anchor in account.anchors for fact in self._united([anchor], stored).values()}

    def _united(self, anchors: Iterable[str], stored: dict[str, list[tuple[str, bytes]]]) -> Facts:
        facts: Facts = {}
        for anchor in anchors:
            facts.update((key, decode(value)) for key, value in stored.get(anchor, ()))
            facts.update(self._facts_before.get(anchor, {}))
            facts.update(self._facts.get(anchor, {}))
        return facts

    def ledger(self, account: AccountRecord, undecided: Iterable[NewEvent]) -> Ledger:
        """All that was posted; ``undecided`` are the account's events of this batch."""
        if not account.sequence:
            return {}
        states = {event.version: event.state for event in self._store.events_of(uuid_of(account.id)) if event.type == ENTRY}
        for event in (*self._events_before.get(account.id, ()), *undecided):
            if event.type == ENTRY:
                states[event.version] = event.state
        return ledger(states[version] for version in sorted(states))

    def save(self, touched: Iterable[AccountRecord], events: dict[str, list[NewEvent]], transaction: Transaction) -> None:
        """What changed in this batch, into the transaction."""
        self._events = events
        transaction.rows |= rows_of(touched)
        transaction.rows["holders"] = {id: encode(holder) for id, holder in self._changed_holders.items()}
        transaction.rows["redemptions"] = dict(self._redemptions)
        transaction.items["facts"] = [(anchor, key, encode(fact)) for anchor, facts in self._facts.items() for key, fact in facts.items()]
