"""One batch of profile events, decided: which facts are whose, and what that does to their accounts."""

import logging
from collections.abc import Collection, Iterable, Sequence
from typing import Any
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
from services.loyalty.redeeming import Accepted, Answer, OtherContent, Redeem, TooFew, Unknown, decided, decode, main_anchor
from services.loyalty.statements import FactStated, Gone, Moved, Redeemed, Statement, Unusable, read
from services.runtime.clock import Clock
from services.runtime.event_store import EventStore, Transaction
from services.runtime.stage import Message, Record
from services.runtime.tracing import traceparent_in

DUE_AT_ONCE = 1_000
log = logging.getLogger(__name__)


class LoyaltyStage:
    """See services/runtime/stage.py. ``remember``: accounts kept in memory, twice."""

    name = "loyalty"
    route = {**dict.fromkeys(LOYALTY_EVENTS, topics.LOYALTY_CHANGES.name), "quarantined": topics.QUARANTINE.name}

    def __init__(self, store: EventStore, programme: Programme, clock: Clock, remember: int = 100_000) -> None:
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
            elif isinstance(said, Redeemed):
                self._take_over(said, batch)
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

    def answer(self, commands: Sequence[Redeem]) -> tuple[Transaction, list[Answer]]:
        """Decides commands one after another. See services/runtime/stage.py."""
        batch = self._begin()
        self._load_customers({command.customer for command in commands})
        answers = [self._redeem(command, batch) for command in commands]
        transaction = self._end(batch)
        transaction.outcomes.clear()
        return transaction, answers

    def correct(self, ids: Collection[str], restated: Collection[str], cause: str) -> Transaction:
        """Folds these accounts anew and posts what differs from what was posted. Of those among ``restated`` something is said even so:
        a snapshot of theirs may have been wrong, and is followed by one with a higher number."""
        batch = self._begin()
        self._archive.load_accounts(ids)
        for id in ids:
            batch.fold_anew(self._archive.account(id), cause)
        batch.end()
        for id in restated:
            batch.restate(self._archive.account(id), cause)
        return self._saved(batch)

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
            log.debug(
                "quarantined", extra={"reason": error.reason, "partition": f"{record.topic}:{record.partition}", "offset": record.offset}
            )
            return None
        if said is None:
            batch.outcomes["applied", "no_concern"] += 1
        elif traceparent := traceparent_in(record.headers):
            batch.said.traced[said.cause] = traceparent
        return said

    def _load(self, statements: Sequence[Statement]) -> None:
        """Everything that the statements are about, with one query a kind."""
        identifiers: set[str] = set()
        customers: set[str] = set()
        for said in statements:
            customers.add(said.customer)
            if isinstance(said, FactStated | Redeemed):
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
        if log.isEnabledFor(logging.DEBUG):
            log.debug("applied", extra={"event_id": said.fact.event_id, "customer_id": account.id, "notification": said.id})

    def _move(self, said: Moved, batch: Batch) -> None:
        """Identifiers have another holder; anchors among them bring their facts."""
        for identifier in said.identifiers:
            holder = self._archive.holder(identifier)
            if holder is None or said.id > holder.id:
                self._hand_over(identifier, Holder(said.customer, said.id), said.cause, batch)
        if account := self._archive.known(said.customer):
            self._revive(account, said.id, batch)
        batch.outcomes["applied", ""] += 1

    def _take_over(self, said: Redeemed, batch: Batch) -> None:
        """A redemption that was accepted before, of whoever holds its anchor now. Whatever the profile stage says of the anchor
        comes after what is assumed here."""
        holder = self._archive.holder(said.anchor)
        if holder is None:
            holder = Holder(said.customer, 0)
            self._archive.hold(said.anchor, holder)
        account = self._archive.account(holder.customer)
        if said.anchor not in account.anchors:
            account.anchors.append(said.anchor)
        self._archive.accept(said.redemption_id, said.said)
        batch.take(account, said.anchor, said.fact)

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

    # ---- commands

    def _load_customers(self, asked: set[str]) -> None:
        """The accounts of whoever these ids stand for now, through all merges."""
        wanted = asked | self._archive.load_holders(asked)
        while wanted:
            self._archive.load_accounts(wanted)
            accounts = [account for id in wanted if (account := self._archive.known(id))]
            wanted = {into for account in accounts if (into := account.merged_into) and self._archive.known(into) is None}

    def _account_of(self, customer: str) -> AccountRecord | None:
        holder = self._archive.holder(customer)
        account, seen = self._archive.known(holder.customer if holder else customer), set[str]()
        while account is not None and account.merged_into is not None and account.id not in seen:
            seen.add(account.id)  # two that were merged to and fro, one message of which is still under way
            account = self._archive.known(account.merged_into)
        if account is None and holder is not None:
            return AccountRecord(holder.customer, anchors=[])
        return account

    def _redeem(self, command: Redeem, batch: Batch) -> Answer:
        said, account = self._archive.redemption(command.redemption_id), self._account_of(command.customer)
        if said is not None:
            return self._repeated(command, account, decode(said))
        if account is None:
            return Unknown()
        batch.bring_up_to_date(account)
        possible = decided(self._programme, account.state, command, from_millis(batch.now_ms))
        if isinstance(possible, TooFew):
            return possible
        several = len(account.anchors) > 1
        anchor = main_anchor(possible.taken, self._archive.earned_under(account)) if several else account.anchors[0]
        if command.traceparent is not None:
            batch.said.traced[possible.fact.event_id] = command.traceparent
        said = batch.said.redemption_accepted(account, command, possible, anchor)
        self._archive.accept(command.redemption_id, said)
        batch.take(account, anchor, possible.fact)
        return Accepted(decode(said), repeated=False)

    def _repeated(self, command: Redeem, account: AccountRecord | None, said: Any) -> Answer:
        """The same content names the same customer, perhaps by another of its ids."""
        self._archive.load_holders([said.anchor])
        holder = self._archive.holder(said.anchor)
        same = command.customer in (said.customer_id, said.account_id) or (account and holder and account.id == holder.customer)
        if same and (command.points, command.why) == (said.points, said.why):
            return Accepted(said, repeated=True)
        return OtherContent(said.points)

    # ---- a batch

    def _begin(self, now_ms: int | None = None) -> Batch:
        self._archive.begin()
        now = self._now(now_ms)
        return Batch(self._programme, self._archive, Announcements(self._programme.name, from_millis(now)), now)

    def _end(self, batch: Batch) -> Transaction:
        batch.end()
        return self._saved(batch)

    def _saved(self, batch: Batch) -> Transaction:
        transaction = Transaction(events=batch.said.events, traces=batch.said.traces, timers=batch.timers, outcomes=batch.outcomes)
        self._archive.save(batch.said.touched.values(), batch.said.of, transaction)
        return transaction

    def _now(self, now_ms: int | None = None) -> int:
        """Never backwards."""
        self._now_ms = max(self._now_ms, self._clock.now_ms() if now_ms is None else now_ms)
        return self._now_ms
