"""One batch of profile events, decided: which facts are whose, and what that does to their accounts."""

from collections.abc import Collection, Iterable, Sequence
from uuid import UUID

from schemas import topics
from schemas.loyalty_events import LOYALTY_EVENTS
from schemas.times import from_millis
from services.loyalty.account_record import AccountRecord, Holder
from services.loyalty.account_snapshot import account_json
from services.loyalty.announcements import Announcements
from services.loyalty.archive import Archive
from services.loyalty.batch import Batch
from services.loyalty.programme import Programme
from services.loyalty.programme_change import ProgrammeChange
from services.loyalty.statements import FactStated, Gone, Moved, Statement, Unusable, read
from services.runtime.clock import Clock
from services.runtime.event_store import EventStore, Transaction
from services.runtime.stage import Message, Record

DUE_AT_ONCE = 1_000


class LoyaltyStage:
    """See services/runtime/stage.py. ``remember``: accounts kept in memory, twice."""

    name = "loyalty"
    route = {**dict.fromkeys(LOYALTY_EVENTS, topics.LOYALTY_CHANGES.name), "quarantined": topics.QUARANTINE.name}

    def __init__(self, store: EventStore, programme: Programme, clock: Clock, remember: int = 200_000) -> None:
        self._store, self._programme, self._clock = store, programme, clock
        self._archive = Archive(store, remember)
        self._now_ms = 0
        self._change = ProgrammeChange(store, programme)

    def decide(self, records: Sequence[Record]) -> Transaction:
        batch = self._begin()
        statements = [said for record in records if (said := self._read(record, batch)) is not None]
        self._load(statements)
        for said in statements:
            if isinstance(said, FactStated):
                self._state(said, batch)
            elif isinstance(said, Moved):
                self._move(said, batch)
            else:
                self._leave(said, batch)
        return self._end(batch)

    def tick(self, now_ms: int) -> Transaction | None:
        """Expiry, reviews of tiers and birthdays that are due; then, after a change of the programme, some accounts anew."""
        due = self._store.due(now_ms, DUE_AT_ONCE)
        sweeping = not due and not self._change.done
        outdated = self._change.outdated(DUE_AT_ONCE) if sweeping else []
        if not due and not sweeping:
            return None
        batch = self._begin(now_ms)
        self._archive.load_accounts([*due, *outdated])
        for id in (*due, *outdated):
            batch.pass_time(self._archive.account(id), from_millis(now_ms))
        transaction = self._end(batch)
        if sweeping and self._change.done:
            transaction.rows["programme"] = self._change.row()
        return transaction

    def snapshots(self, originators: Collection[UUID]) -> Iterable[Message]:
        ids = [str(originator) for originator in originators]
        self._archive.load_accounts(ids)
        as_of = from_millis(self._now())
        for id in ids:
            if account := self._archive.known(id):
                headers = (("sequence", b"%d" % account.sequence),)
                yield Message(topics.LOYALTY_ACCOUNTS.name, id.encode(), account_json(self._programme, account, as_of), headers)

    def forget(self) -> None:
        self._archive.forget()
        self._change.restart()

    # ---- reading

    def _read(self, record: Record, batch: Batch) -> Statement | None:
        try:
            said = read(record.value, record.headers)
        except Unusable as error:
            batch.said.quarantined(record, error)
            batch.outcomes["quarantined", error.reason] += 1
            return None
        if said is None:
            batch.outcomes["applied", "no_concern"] += 1
        return said

    def _load(self, statements: Sequence[Statement]) -> None:
        """Everything that the statements are about, with one query a kind."""
        identifiers: set[str] = set()
        customers: set[str] = set()
        for said in statements:
            customers.add(said.customer)
            if isinstance(said, FactStated):
                identifiers.add(said.anchor)
            elif isinstance(said, Moved):
                identifiers.update(said.identifiers)
        customers |= self._archive.load_holders(identifiers)
        self._archive.load_accounts(customers)

    # ---- deciding

    def _state(self, said: FactStated, batch: Batch) -> None:
        """A fact: of whoever holds its anchor now, which may not be who held it when it was counted."""
        holder = self._archive.holder(said.anchor)
        if holder is None or (said.id > holder.id and said.customer != holder.customer):
            self._hand_over(said.anchor, Holder(said.customer, said.id), said.fact.event_id, batch)
            holder = Holder(said.customer, said.id)
        account = self._archive.account(holder.customer)
        if account.id == said.customer:
            self._revive(account, said.id, batch)
        if said.anchor not in account.anchors:
            account.anchors.append(said.anchor)
        batch.take(account, said.anchor, said.fact)

    def _move(self, said: Moved, batch: Batch) -> None:
        """Identifiers have another holder; anchors among them bring their facts."""
        for identifier in said.identifiers:
            holder = self._archive.holder(identifier)
            if holder is None or said.id > holder.id:
                self._hand_over(identifier, Holder(said.customer, said.id), said.cause, batch)
        if account := self._archive.known(said.customer):
            self._revive(account, said.id, batch)
        batch.outcomes["applied", ""] += 1

    def _hand_over(self, identifier: str, to: Holder, cause: str, batch: Batch) -> None:
        """If the identifier is an anchor with facts, both accounts are to be folded anew."""
        before = self._archive.holder(identifier)
        self._archive.hold(identifier, to)
        if before is None or before.customer == to.customer:
            return
        giver = self._archive.known(before.customer)
        if giver is None or identifier not in giver.anchors:
            return
        taker = self._archive.account(to.customer)
        giver.anchors.remove(identifier)
        taker.anchors.append(identifier)
        batch.fold_anew(giver, f"merge:{taker.id}" if cause.startswith("merge:") else cause)
        batch.fold_anew(taker, cause)

    def _leave(self, said: Gone, batch: Batch) -> None:
        """The customer was merged; its account is empty once the survivor's partition has said what came along."""
        account = self._archive.account(said.customer)
        if account.gone is None or said.id > account.gone[1]:
            account.gone = (said.survivor, said.id)
            batch.touch(account)
        batch.outcomes["applied", ""] += 1

    def _revive(self, account: AccountRecord, id: int, batch: Batch) -> None:
        """A merged customer that holds something again is a customer again."""
        if account.gone is not None and id > account.gone[1]:
            account.gone = None
            batch.touch(account)

    # ---- a batch

    def _begin(self, now_ms: int | None = None) -> Batch:
        self._archive.begin()
        now = self._now(now_ms)
        return Batch(self._programme, self._archive, Announcements(self._programme.name, from_millis(now)), now)

    def _end(self, batch: Batch) -> Transaction:
        batch.end()
        transaction = Transaction(events=batch.said.events, timers=batch.timers, outcomes=batch.outcomes)
        self._archive.save(batch.said.touched.values(), batch.said.of, transaction)
        return transaction

    def _now(self, now_ms: int | None = None) -> int:
        """Never backwards."""
        self._now_ms = max(self._now_ms, self._clock.now_ms() if now_ms is None else now_ms)
        return self._now_ms
