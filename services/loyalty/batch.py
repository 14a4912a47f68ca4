"""What one batch does to accounts: facts taken, time passed, ledgers corrected, and everything about it announced."""

from collections import Counter

from services.loyalty import tiers
from services.loyalty.account import EMPTY, AccountState, Outcome, advance, fold, insert, is_next, needs_history, step
from services.loyalty.account_record import AccountRecord
from services.loyalty.announcements import Announcements
from services.loyalty.archive import Archive, Facts
from services.loyalty.facts import Fact, fact_key
from services.loyalty.moments import due_ms
from services.loyalty.moves import Entry, TierMove
from services.loyalty.posting import Posting, difference
from services.loyalty.programme import Programme
from services.loyalty.tiers import Standing

SETTLE_MS = 5_000
"""What is overdue when an account is folded waits so long: while a past is being loaded, more of it may be under way."""


class Batch:
    """``outcomes``: (outcome, reason) → messages. ``timers``: account → when it is due, or None.

    ``late``: anchor → facts that are not next; ``behind``: their accounts → the first of them. When the batch ends they are inserted, and
    accounts with one that cannot be are folded anew, as those in ``refold`` (→ why).
    """

    def __init__(self, programme: Programme, archive: Archive, announcements: Announcements, now_ms: int) -> None:
        self.said, self.now_ms = announcements, now_ms
        self.outcomes: Counter[tuple[str, str]] = Counter()
        self.timers: dict[str, int | None] = {}
        self._programme, self._archive = programme, archive
        self._refold: dict[str, str] = {}
        self._standing: dict[str, Standing | None] = {}  # of each account, as it was when the batch came to it first
        self._late: dict[str, list[Fact]] = {}
        self._behind: dict[str, str] = {}

    def take(self, account: AccountRecord, anchor: str, fact: Fact) -> None:
        """One step, or where that will not do, at the end with all that came late."""
        self.touch(account)
        if not self._is_current(account):
            self.fold_anew(account, self._programme_changed())
        elif account.id not in self._behind and (outcome := self._step(account, account.state, fact)):
            self._archive.add_fact(anchor, fact)
            self._post(account, outcome)
            self.outcomes["applied", ""] += 1
            return
        self._behind.setdefault(account.id, fact.event_id)
        self._late.setdefault(anchor, []).append(fact)

    def _step(self, account: AccountRecord, state: AccountState, fact: Fact) -> Outcome | None:
        if account.id not in self._refold and is_next(state, fact) and not needs_history(state, fact):
            return step(self._programme, state, fact)
        return None

    def pass_time(self, account: AccountRecord, now: str) -> None:
        """Everything due by then; and if the programme has changed, everything anew."""
        self.touch(account)
        account.due_ms = self.timers[account.id] = None
        account.clock = max(account.clock, now)
        if self._is_current(account):
            self._post(account, advance(self._programme, account.state, now))
        else:
            self.fold_anew(account, self._programme_changed())

    def fold_anew(self, account: AccountRecord, cause: str) -> None:
        """At the end. Of several causes the first is named."""
        self.touch(account)
        self._refold.setdefault(account.id, self._behind.get(account.id, cause))

    def bring_up_to_date(self, account: AccountRecord) -> None:
        """With this programme, at once: what follows is decided on what comes out."""
        if not self._is_current(account):
            self.fold_anew(account, self._programme_changed())
            self._correct_all()
            self._refold.clear()

    def touch(self, account: AccountRecord) -> None:
        """It is to be saved. Call it before anything about the account changes."""
        self.said.touched[account.id] = account
        self._standing.setdefault(account.id, account.state.standing)

    def end(self) -> None:
        """Inserts what came late, folds anew what must be, announces merges and what else changed of a tier, sets timers."""
        self._insert_late()
        if self._refold:
            self._correct_all()
        for account in list(self.said.touched.values()):
            self._announce_merge(account)
            if account.tier is not None and _terms(account.state.standing) != _terms(self._standing.get(account.id)):
                self.restate(account, self._refold.get(account.id, "clock"))
            self._set_timer(account)

    def restate(self, account: AccountRecord, cause: str) -> None:
        """Says the account's tier again, and since when it has it, unless something was said in this batch, or never anything."""
        if account.sequence and account.id not in self.said.of:
            tier, now = account.tier, self.said.recorded_at
            rules, standing = self._programme.tiers, account.state.standing
            qualifying = tiers.qualifying(rules, standing, now) if rules and standing else 0
            since = standing.since if standing and standing.since else now
            self.said.tier_changed(account, TierMove(tier, tier or "", since, qualifying, cause), cause)
            account.tier = tier

    # ---- posting

    def _post(self, account: AccountRecord, outcome: Outcome) -> None:
        """What a step or time brought, as it came."""
        account.state = outcome.state
        for move in outcome.moves:
            if isinstance(move, Entry):
                self.said.entry_posted(account, Posting(move, move.amount, move.cause, None))
            else:
                self.said.tier_changed(account, move, move.cause)

    def _insert_late(self) -> None:
        """Facts that are not next, where each can be entered beside those after it; other accounts are to be folded anew."""
        accounts = [self._archive.account(id) for id in self._behind if id not in self._refold]
        if not accounts:
            return
        late = [(account, self._late_of(account)) for account in accounts]
        known = self._archive.known_facts([(anchor, key) for account, facts in late for key in facts for anchor in account.anchors])
        for account, facts in late:
            news = {key: at for key, at in facts.items() if not any((anchor, key) in known for anchor in account.anchors)}
            if self._insert(account, news):
                given = sum(len(self._late.pop(anchor, ())) for anchor in account.anchors)
                self.outcomes["applied", ""] += len(news)
                self.outcomes["duplicate", ""] += given - len(news)
            else:
                self.fold_anew(account, self._behind[account.id])

    def _late_of(self, account: AccountRecord) -> dict[str, tuple[str, Fact]]:
        """Fact key → (its anchor, the fact), in fact order."""
        late = {fact_key(fact): (anchor, fact) for anchor in account.anchors for fact in self._late.get(anchor, ())}
        return {key: late[key] for key in sorted(late)}

    def _insert(self, account: AccountRecord, news: dict[str, tuple[str, Fact]]) -> bool:
        """All of them, or none."""
        state, outcomes = account.state, list[Outcome]()
        for _, fact in news.values():
            outcome = self._step(account, state, fact) or insert(self._programme, state, fact, account.clock)
            if outcome is None:
                return False
            outcomes.append(outcome)
            state = outcome.state
        for anchor, fact in news.values():
            self._archive.add_fact(anchor, fact)
        for outcome in outcomes:
            self._post(account, outcome)
        return True

    def _correct_all(self) -> None:
        """Every account that could not take a step: all its facts, and the difference to what was posted."""
        accounts = [self._archive.account(id) for id in self._refold]
        for account, facts in zip(accounts, self._archive.facts(accounts), strict=True):
            news = self._add_late(account, facts)
            outcome = fold(self._programme, facts.values(), account.clock)
            for event_id in news:
                self.outcomes["applied", outcome.noted.get(event_id, "")] += 1
            self._correct(account, outcome, news)

    def _add_late(self, account: AccountRecord, facts: Facts) -> frozenset[str]:
        """Adds what came in this batch; returns the event ids of what was not known before."""
        news = set()
        for anchor in account.anchors:
            for fact in self._late.pop(anchor, ()):
                if fact_key(fact) in facts:
                    self.outcomes["duplicate", ""] += 1
                else:
                    facts[fact_key(fact)] = fact
                    self._archive.add_fact(anchor, fact)
                    news.add(fact.event_id)
        return frozenset(news)

    def _correct(self, account: AccountRecord, outcome: Outcome, news: frozenset[str]) -> None:
        cause = self._refold[account.id]
        posted = self._archive.ledger(account, self.said.of.get(account.id, ()))
        account.state, account.programme = outcome.state, self._programme.digest
        for posting in difference(outcome.moves, posted, cause, news):
            self.said.entry_posted(account, posting)
        move = self._last_tier_move(account, outcome, cause)
        if move is not None and move.after != account.tier:
            self.said.tier_changed(account, move, move.cause if move.cause in news else cause)

    def _last_tier_move(self, account: AccountRecord, outcome: Outcome, cause: str) -> TierMove | None:
        """The one that led to the tier in which the account is; without any fact, it is in the lowest."""
        moves = [move for move in outcome.moves if isinstance(move, TierMove)]
        if moves:
            return moves[-1]
        return None if account.tier is None or account.merged_into is not None else self._lowest_tier(cause)

    def _lowest_tier(self, cause: str) -> TierMove | None:
        tiers = self._programme.tiers
        return None if tiers is None else TierMove(None, tiers.levels[0].id, self.said.recorded_at, 0, cause)

    def _announce_merge(self, account: AccountRecord) -> None:
        """That the account has gone, once it is empty; or that one that had gone is open again, though still empty."""
        survivor = account.merged_into
        if survivor == account.announced or not account.sequence:
            return
        if survivor is not None:
            account.tier = None
            self.said.merged_into(account, survivor)
        elif account.tier is None and (lowest := self._lowest_tier(f"merge:{account.announced}")):
            self.said.tier_changed(account, lowest, lowest.cause)
        account.announced = survivor

    def _set_timer(self, account: AccountRecord) -> None:
        moment = account.state.due
        due = None if moment is None else due_ms(moment)
        if due is not None and due <= self.now_ms:
            later = self.now_ms + SETTLE_MS
            due = later if account.due_ms is None or account.due_ms <= self.now_ms else min(account.due_ms, later)
        if due != account.due_ms:
            account.due_ms = self.timers[account.id] = due

    # ---- the programme

    def _is_current(self, account: AccountRecord) -> bool:
        """Folded with this programme, or not at all yet."""
        if account.state == EMPTY:
            account.programme = self._programme.digest
        return account.programme == self._programme.digest

    def _programme_changed(self) -> str:
        return f"programme:{self._programme.version}"


def _terms(standing: Standing | None) -> tuple[str, str | None]:
    """Since when an account has its tier, and until when: what its snapshot shows, and no entry of the ledger says."""
    return (standing.since, standing.until) if standing else ("", None)
