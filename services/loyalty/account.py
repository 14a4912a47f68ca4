"""The account: a pure fold over its facts in fact order, and time.

``step`` takes the next fact, ``insert`` one that came late, ``advance`` lets time pass, ``fold`` does it all from the beginning.
Each returns the new state and the moves it makes: entries of the ledger and tier changes. What time brings at a moment
(expiry, then the review of a tier, then a birthday) comes before facts of that moment.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from services.loyalty.books import Anniversary, Books
from services.loyalty.facts import Fact, Purchase, Refund, fact_key
from services.loyalty.lots import Lots
from services.loyalty.moments import FOREVER
from services.loyalty.moves import Move
from services.loyalty.programme import Programme
from services.loyalty.refunds import History
from services.loyalty.tiers import Standing

UNKNOWN = "~"
"""Later than every key."""


class AccountState(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Everything that the fold goes on from. ``cursor`` is the key of the last fact, or the moment of what time brought after it."""

    cursor: str = ""
    lots: Lots = ()
    debts: Lots = ()
    earned: int = 0
    expired: int = 0
    redeemed: int = 0
    adjusted: int = 0
    purchases: int = 0
    standing: Standing | None = None
    birthday: Anniversary | None = None
    rewarded: tuple[tuple[str, str], ...] = ()
    """(rule, when it last gave its bonus), of bonuses that are not given every time"""
    waiting: tuple[str, ...] = ()
    """orders that were refunded and are not known yet"""
    turn: str = UNKNOWN
    """the key, or the moment, of the last that was more than points earned beside others: what comes after it may come in any order"""

    @property
    def balance(self) -> int:
        return self.earned - self.expired - self.redeemed + self.adjusted

    @property
    def due(self) -> str | None:
        """The moment at which time will next change something."""
        moments = [lot.expires_at for lot in self.lots[:1]]
        if self.standing is not None and self.standing.until is not None:
            moments.append(self.standing.until)
        if self.birthday is not None:
            moments.append(self.birthday.next_at)
        return min((moment for moment in moments if moment != FOREVER), default=None)


class Outcome(NamedTuple):
    """The state after, and what happened on the way, in order. ``noted``: event_id → why a fact had no effect."""

    state: AccountState
    moves: Sequence[Move]
    noted: dict[str, str]


EMPTY = AccountState()


def is_next(state: AccountState, fact: Fact) -> bool:
    """Whether the fact comes after everything that the state has seen, so that one step will do."""
    return fact_key(fact) > state.cursor


def needs_history(state: AccountState, fact: Fact) -> bool:
    """Whether a stored state does not know enough: refunds, and purchases that were refunded before they were known."""
    return isinstance(fact, Refund) or (isinstance(fact, Purchase) and fact.order_id in state.waiting)


def step(programme: Programme, state: AccountState, fact: Fact) -> Outcome:
    """The next fact, which ``is_next`` and does not ``needs_history``."""
    books = _opened(programme, state, None)
    books.take(fact)
    return _closed(books, fact_key(fact))


def insert(programme: Programme, state: AccountState, fact: Fact, clock: str) -> Outcome | None:
    """A fact that is not next, where it changes nothing of what comes after it: exactly what ``fold`` would come to with it, time being
    ``clock``. None where that cannot be told without the facts. The fact must be none that the state has seen."""
    key = fact_key(fact)
    if not isinstance(fact, Purchase) or not state.purchases or key < state.turn or state.debts or needs_history(state, fact):
        return None
    books = _opened(programme, state, None)
    return _closed(books, state.cursor) if books.insert(fact, max(state.cursor, clock)) else None


def advance(programme: Programme, state: AccountState, to: str) -> Outcome:
    """Time alone: everything due at or before that moment."""
    books = _opened(programme, state, None)
    books.advance(to)
    return _closed(books, state.cursor)


def fold(programme: Programme, facts: Iterable[Fact], to: str) -> Outcome:
    """All facts of the account, each once, in any order; then time up to that moment."""
    books = _opened(programme, EMPTY, History())
    cursor = ""
    for fact in sorted(facts, key=fact_key):
        books.take(fact)
        cursor = fact_key(fact)
    books.advance(to)
    return _closed(books, cursor)


def _opened(programme: Programme, state: AccountState, history: History | None) -> Books:
    books = Books(programme, history)
    books.lots, books.debts = state.lots, state.debts
    books.earned, books.expired, books.redeemed, books.adjusted = state.earned, state.expired, state.redeemed, state.adjusted
    books.purchases, books.standing, books.birthday = state.purchases, state.standing, state.birthday
    books.rewarded, books.waiting, books.turn = dict(state.rewarded), state.waiting, state.turn
    return books


def _closed(books: Books, cursor: str) -> Outcome:
    history = books.history
    state = AccountState(
        max(cursor, books.moment),
        books.lots,
        books.debts,
        books.earned,
        books.expired,
        books.redeemed,
        books.adjusted,
        books.purchases,
        books.standing,
        books.birthday,
        tuple(sorted(books.rewarded.items())),
        books.waiting if history is None else tuple(sorted(history.waiting)),
        books.turn,
    )
    return Outcome(state, books.moves, history.noted if history else {})
