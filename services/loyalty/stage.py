"""One batch of profile events, decided: which facts are whose, and what that does to their accounts."""

from collections.abc import Collection, Iterable, Sequence
from uuid import UUID

from schemas import topics
from schemas.loyalty_events import LOYALTY_EVENTS
from schemas.times import from_millis
from services.loyalty.account import EMPTY, Outcome, advance, fold, is_next, needs_history, step
from services.loyalty.account_record import AccountRecord, Holder
from services.loyalty.account_snapshot import account_json
from services.loyalty.announcements import Announcements
from services.loyalty.archive import Archive
from services.loyalty.facts import Fact, fact_key
from services.loyalty.moments import due_ms
from services.loyalty.moves import Entry, TierMove
from services.loyalty.posting import Posting, difference
from services.loyalty.programme import Programme
from services.loyalty.programme_change import ProgrammeChange
from services.loyalty.statements import FactStated, Gone, Moved, Statement, Unusable, read
from services.runtime.clock import Clock
from services.runtime.event_store import EventStore, Transaction
from services.runtime.stage import Message, Record

DUE_AT_ONCE = 1_000
SETTLE_MS = 5_000
"""What is overdue when an account is folded waits so long: while a past is being loaded, more of it may be under way."""


class _Batch:
    """What is under way in one call. ``refold``: account id → why it cannot just take a step."""

    def __init__(self, announcements: Announcements, now_ms: int) -> None:
        self.said, self.now_ms = announcements, now_ms
        self.refold: dict[str, str] = {}
        self.late: dict[str, list[Fact]] = {}
        self.transaction = Transaction()


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
            self._pass_time(self._archive.account(id), from_millis(now_ms), batch)
        if sweeping and self._change.done:
            batch.transaction.rows["programme"] = self._change.row()
        return self._end(batch)

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

    def _read(self, record: Record, batch: _Batch) -> Statement | None:
        try:
            said = read(record.value, record.headers)
        except Unusable as error:
            batch.said.quarantined(record, error)
            batch.transaction.outcomes["quarantined", error.reason] += 1
            return None
        if said is None:
            batch.transaction.outcomes["applied", "no_concern"] += 1
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

    def _state(self, said: FactStated, batch: _Batch) -> None:
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
        self._take(account, said.anchor, said.fact, batch)

    def _take(self, account: AccountRecord, anchor: str, fact: Fact, batch: _Batch) -> None:
        """One step, or where that will not do, all facts of the account anew at the end of the batch."""
        batch.said.touched[account.id] = account
        if not self._is_current(account):
            batch.refold.setdefault(account.id, f"programme:{self._programme.version}")
        elif account.id not in batch.refold and is_next(account.state, fact) and not needs_history(account.state, fact):
            self._archive.add_fact(anchor, fact)
            self._post(account, step(self._programme, account.state, fact), batch)
            batch.transaction.outcomes["applied", ""] += 1
            return
        batch.refold.setdefault(account.id, fact.event_id)
        batch.late.setdefault(anchor, []).append(fact)

    def _move(self, said: Moved, batch: _Batch) -> None:
        """Identifiers have another holder; anchors among them bring their facts."""
        for identifier in said.identifiers:
            holder = self._archive.holder(identifier)
            if holder is None or said.id > holder.id:
                self._hand_over(identifier, Holder(said.customer, said.id), said.cause, batch)
        if account := self._archive.known(said.customer):
            self._revive(account, said.id, batch)
        batch.transaction.outcomes["applied", ""] += 1

    def _hand_over(self, identifier: str, to: Holder, cause: str, batch: _Batch) -> None:
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
        for account, why in ((giver, f"merge:{taker.id}" if cause.startswith("merge:") else cause), (taker, cause)):
            batch.refold.setdefault(account.id, why)
            batch.said.touched[account.id] = account

    def _leave(self, said: Gone, batch: _Batch) -> None:
        """The customer was merged; its account is empty once the survivor's partition has said what came along."""
        account = self._archive.account(said.customer)
        if account.gone is None or said.id > account.gone[1]:
            account.gone = (said.survivor, said.id)
            batch.said.touched[account.id] = account
        batch.transaction.outcomes["applied", ""] += 1

    def _revive(self, account: AccountRecord, id: int, batch: _Batch) -> None:
        """A merged customer that holds something again is a customer again."""
        if account.gone is not None and id > account.gone[1]:
            account.gone = None
            batch.said.touched[account.id] = account

    def _pass_time(self, account: AccountRecord, now: str, batch: _Batch) -> None:
        account.due_ms = batch.transaction.timers[account.id] = None
        batch.said.touched[account.id] = account
        account.clock = max(account.clock, now)
        if self._is_current(account):
            self._post(account, advance(self._programme, account.state, now), batch)
        else:
            batch.refold.setdefault(account.id, f"programme:{self._programme.version}")

    # ---- posting

    def _post(self, account: AccountRecord, outcome: Outcome, batch: _Batch) -> None:
        """What a step or time brought, as it came."""
        account.state = outcome.state
        for move in outcome.moves:
            if isinstance(move, Entry):
                batch.said.entry_posted(account, Posting(move, move.amount, move.cause, None))
            else:
                batch.said.tier_changed(account, move, move.cause)

    def _refold(self, batch: _Batch) -> None:
        """Every account that could not take a step: all its facts, and the difference to what was posted."""
        accounts = [self._archive.account(id) for id in batch.refold]
        found = self._archive.facts(accounts)
        for account in accounts:
            facts, news = found[account.id], set()
            for anchor in account.anchors:
                for fact in batch.late.pop(anchor, ()):
                    if fact_key(fact) in facts:
                        batch.transaction.outcomes["duplicate", ""] += 1
                    else:
                        facts[fact_key(fact)] = fact
                        self._archive.add_fact(anchor, fact)
                        news.add(fact.event_id)
            outcome = fold(self._programme, facts.values(), account.clock)
            for event_id in news:
                batch.transaction.outcomes["applied", outcome.noted.get(event_id, "")] += 1
            self._correct(account, outcome, frozenset(news), batch)

    def _correct(self, account: AccountRecord, outcome: Outcome, news: frozenset[str], batch: _Batch) -> None:
        cause = batch.refold[account.id]
        posted = self._archive.ledger(account, batch.said.of.get(account.id, ()))
        account.state, account.programme = outcome.state, self._programme.digest
        for posting in difference(outcome.moves, posted, cause, news):
            batch.said.entry_posted(account, posting)
        move = self._tier_move(account, outcome, batch)
        if move is not None and move.after != account.tier:
            batch.said.tier_changed(account, move, move.cause if move.cause in news else cause)

    def _tier_move(self, account: AccountRecord, outcome: Outcome, batch: _Batch) -> TierMove | None:
        """The move that led to the tier in which the account is; without any fact, the lowest."""
        moves = [move for move in outcome.moves if isinstance(move, TierMove)]
        if moves:
            return moves[-1]
        if account.tier is None or self._programme.tiers is None or account.merged_into is not None:
            return None
        return TierMove(None, self._programme.tiers.levels[0].id, batch.said.recorded_at, 0, batch.refold[account.id])

    # ---- a batch

    def _begin(self, now_ms: int | None = None) -> _Batch:
        self._archive.begin()
        now = self._now(now_ms)
        return _Batch(Announcements(self._programme.name, from_millis(now)), now)

    def _end(self, batch: _Batch) -> Transaction:
        if batch.refold:
            self._refold(batch)
        touched = batch.said.touched.values()
        for account in touched:
            self._announce_merge(account, batch)
        for account in touched:
            self._set_timer(account, batch)
        self._archive.save(touched, batch.said.of, batch.transaction)
        batch.transaction.events = batch.said.events
        return batch.transaction

    def _announce_merge(self, account: AccountRecord, batch: _Batch) -> None:
        """That the account has gone, once it is empty; or that one that had gone is open again, though still empty."""
        survivor, tiers = account.merged_into, self._programme.tiers
        if survivor != account.announced and account.sequence:
            if survivor is not None:
                account.tier = None
                batch.said.merged_into(account, survivor)
            elif account.tier is None and tiers is not None:
                lowest = TierMove(None, tiers.levels[0].id, batch.said.recorded_at, 0, f"merge:{account.announced}")
                batch.said.tier_changed(account, lowest, lowest.cause)
            account.announced = survivor

    def _set_timer(self, account: AccountRecord, batch: _Batch) -> None:
        moment = account.state.due
        due = None if moment is None else due_ms(moment)
        if due is not None and due <= batch.now_ms:
            later = batch.now_ms + SETTLE_MS
            due = later if account.due_ms is None or account.due_ms <= batch.now_ms else min(account.due_ms, later)
        if due != account.due_ms:
            account.due_ms = batch.transaction.timers[account.id] = due

    def _is_current(self, account: AccountRecord) -> bool:
        """Folded with this programme, or not at all yet."""
        if account.state == EMPTY:
            account.programme = self._programme.digest
        return account.programme == self._programme.digest

    def _now(self, now_ms: int | None = None) -> int:
        """Never backwards."""
        self._now_ms = max(self._now_ms, self._clock.now_ms() if now_ms is None else now_ms)
        return self._now_ms
