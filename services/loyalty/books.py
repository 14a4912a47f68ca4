"""The books of one account while facts are entered: each kind of fact, and each thing that time brings, with its entries.

Used by ``account`` alone, which makes frozen states of it; nothing here outlives a call.
"""

from collections.abc import Callable
from typing import Any, ClassVar

import msgspec

from services.loyalty import tiers
from services.loyalty.earning import Earned, counted_minor, earned
from services.loyalty.facts import Adjustment, Birthday, Fact, Purchase, Redemption, Refund, Survey, fact_key
from services.loyalty.lot_book import LotBook
from services.loyalty.moments import FOREVER, birthday_in, days_later
from services.loyalty.moves import TierMove
from services.loyalty.programme import Bonus, Level, Programme, Rule
from services.loyalty.refunds import History, Order, Share


class Anniversary(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The birthday ``MM-DD`` (empty: unknown), which event said so, when it is next, and the last year in which it was kept."""

    day: str
    source_event: str
    next_at: str
    kept: int


class Books(LotBook):
    """``moment`` is the latest at which time brought something; ``turn``: see AccountState."""

    def __init__(self, programme: Programme, history: History | None) -> None:
        super().__init__(history)
        self.programme = programme
        self.purchases = 0
        self.standing: tiers.Standing | None = None
        self.birthday: Anniversary | None = None
        self.rewarded: dict[str, str] = {}
        self.waiting: tuple[str, ...] = ()
        self.moment = self.turn = ""
        self._place = ""  # the key, or the moment, of what is being entered
        self._qualified = 0

    # ---- time

    def advance(self, to: str) -> None:
        """Everything due at or before the moment, each at its own."""
        while True:
            expiry = self.lots[0].expires_at if self.lots else FOREVER
            review = (self.standing.until if self.standing else None) or FOREVER
            birthday = self.birthday.next_at if self.birthday else FOREVER
            due = min(expiry, review, birthday)
            if due > to or due == FOREVER:
                return
            self.moment = self._place = due
            self.cause = "clock"
            if due == expiry:
                self.expire(self.lots[0])
            elif due == review:
                self._review()
            else:
                self._celebrate()

    def _review(self) -> None:
        assert self.programme.tiers is not None
        assert self.standing is not None
        self.turn = self._place
        self.standing, move = tiers.reviewed(self.programme.tiers, self.standing)
        self._tell(move)

    def _celebrate(self) -> None:
        assert self.birthday is not None
        day, source_event, at = self.birthday.day, self.birthday.source_event, self.birthday.next_at
        year = int(at[:4])
        self._turn_if(self.debts)
        self.birthday = Anniversary(day, source_event, birthday_in(year + 1, day), year)
        for bonus in self.programme.bonuses_on("birthday", at):
            if self.purchases or not bonus.after_purchase:
                self._gain("bonus", Earned(bonus, bonus.id, bonus.points), source_event, at, f"{source_event}:{bonus.id}:{year}")
        self.settle(source_event, at)
        self._raise(at)

    # ---- facts

    def take(self, fact: Fact) -> None:
        """Time up to the fact, then the fact."""
        self.advance(fact.at)
        self.cause, self._place = fact.event_id, fact_key(fact)
        self._turn_if(self.standing is None or self.debts or isinstance(fact, Refund | Redemption | Adjustment))
        self._open(fact.at)
        self._TAKE[type(fact)](self, fact)

    def insert(self, fact: Purchase, until: str) -> bool:
        """A purchase after ``turn``, where later facts are entered and time has passed ``until`` then. False where more may come of it
        than its own points; nothing here is of use then."""
        self.cause = fact.event_id
        for gain in earned(self.programme, self._level(), fact):
            if gain.rule.expires_at(fact.at) <= until:
                return False
            self._earn_from(None, "earn", gain, fact)
        self.purchases += 1
        self._count_spend(None, fact)
        rules, amount = self.programme.tiers, self._qualified
        if rules is not None and amount:
            assert self.standing is not None
            standing = tiers.inserted(rules, self.standing, fact.at, amount)
            if standing is None:
                return False
            self.standing = standing
        return True

    def _turn_if(self, matters: object) -> None:
        """What is being entered depends on what was before, or what comes after it on this."""
        if matters:
            self.turn = self._place

    def _open(self, at: str) -> None:
        if self.standing is None:
            self.standing = tiers.Standing(since=at)
            if self.programme.tiers is not None:
                self.moves.append(TierMove(None, self.programme.tiers.levels[0].id, at, 0, self.cause))

    def _purchase(self, fact: Purchase) -> None:
        order = Order(fact) if self.history is not None else None
        for gain in earned(self.programme, self._level(), fact):
            self._earn_from(order, "earn", gain, fact)
        if not self.purchases:
            self.turn = self._place
            for bonus in self.programme.bonuses_on("first_purchase", fact.at):
                self._earn_from(order, "bonus", Earned(bonus, bonus.id, bonus.points), fact)
        self.purchases += 1
        self.settle(fact.event_id, fact.at)
        self._count_spend(order, fact)
        self._raise(fact.at)
        if self.history is not None and order is not None:
            self.history.orders[fact.order_id] = order
            for refund in self.history.waiting.pop(fact.order_id, ()):
                self.turn = self._place
                self._give_back(order, refund, fact.at)

    def _refund(self, fact: Refund) -> None:
        assert self.history is not None, "a refund needs the history of its account"
        order = self.history.orders.get(fact.order_id)
        if order is None:
            self.history.waiting.setdefault(fact.order_id, []).append(fact)
            self.history.noted[fact.event_id] = "order_unknown"
        else:
            self._give_back(order, fact, fact.at)

    def _give_back(self, order: Order, refund: Refund, at: str) -> None:
        assert self.history is not None
        self.history.noted.pop(refund.event_id, None)
        if refund.currency != order.purchase.currency:
            self.history.noted[refund.event_id] = "other_currency"
        elif not order.refund(refund):
            self.history.noted[refund.event_id] = "refunded_before"
        else:
            for lot_id, share in order.lots.items():
                due = order.due(share)
                self._uncount(share, due, order.purchase.at)
                self.reverse(lot_id, share, due, refund.event_id, at)
            if order.spend is not None:
                due = order.due(order.spend)
                order.spend.taken += due
                self._uncount(order.spend, due, order.purchase.at)
            self.settle(refund.event_id, at)

    def _survey(self, fact: Survey) -> None:
        for bonus in self.programme.bonuses_on("survey", fact.at):
            if self._may_reward(bonus, fact.at):
                self._gain("bonus", Earned(bonus, bonus.id, bonus.points), fact.event_id, fact.at)
        self.settle(fact.event_id, fact.at)
        self._raise(fact.at)

    def _may_reward(self, bonus: Bonus, at: str) -> bool:
        if bonus.after_purchase and not self.purchases:
            return False
        if bonus.at_most_every_days:
            last = self.rewarded.get(bonus.id)
            if last is not None and at < days_later(last, bonus.at_most_every_days):
                return False
            self.rewarded[bonus.id] = at
        return True

    def _birthday(self, fact: Birthday) -> None:
        """Whoever names another day waits for a year in which none was kept."""
        if not self.programme.keeps_birthdays or (self.birthday and self.birthday.day == fact.day):
            return
        kept = self.birthday.kept if self.birthday else 0
        year = int(fact.at[:4])
        at = birthday_in(year, fact.day) if fact.day else FOREVER
        if at <= fact.at or kept == year:
            at = birthday_in(year + 1, fact.day) if fact.day else FOREVER
        self.birthday = Anniversary(fact.day, fact.event_id, at, kept)

    def _redemption(self, fact: Redemption) -> None:
        self.redeemed += fact.points
        self.use("redeem", fact.points, fact.event_id, fact.at)

    def _adjustment(self, fact: Adjustment) -> None:
        self.adjusted += fact.points
        if fact.points < 0:
            self.use("adjust", -fact.points, fact.event_id, fact.at)
        else:
            self.give(fact.points, fact.event_id, fact.at)

    _TAKE: ClassVar[dict[type[Any], Callable[["Books", Any], None]]] = {
        Purchase: _purchase,
        Refund: _refund,
        Survey: _survey,
        Birthday: _birthday,
        Redemption: _redemption,
        Adjustment: _adjustment,
    }

    # ---- entries

    def _earn_from(self, order: Order | None, kind: str, gain: Earned, fact: Purchase) -> None:
        lot_id = self._gain(kind, gain, fact.event_id, fact.at)
        if self.history is not None and order is not None and lot_id is not None:
            order.lots[lot_id] = Share(gain.points, gain.lines, self._qualifies(gain.rule))

    def _gain(self, kind: str, gain: Earned, source_event: str, at: str, lot_id: str | None = None) -> str | None:
        """A new lot, which may qualify; its id, or None where the points came to nothing."""
        if self._qualifies(gain.rule):
            self._qualified += gain.points
        return self.earn(kind, gain, source_event, at, lot_id)

    # ---- tiers

    def _level(self) -> Level | None:
        if self.programme.tiers is None or self.standing is None:
            return None
        return self.programme.tiers.levels[self.standing.level]

    def _qualifies(self, rule: Rule) -> bool:
        return rule.qualifies and self.programme.tiers is not None and self.programme.tiers.by == "points"

    def _count_spend(self, order: Order | None, fact: Purchase) -> None:
        rules = self.programme.tiers
        if rules is not None and rules.by == "spend" and rules.currency == fact.currency:
            minor, lines = counted_minor(self.programme, fact)
            self._qualified += minor
            if order is not None:
                order.spend = Share(minor, lines, qualifies=True)

    def _raise(self, at: str) -> None:
        """Counts what qualified since, and looks whether it is enough for a higher tier."""
        rules, standing, amount = self.programme.tiers, self.standing, self._qualified
        self._qualified = 0
        if rules is None or standing is None or not amount:
            return
        counted = tiers.counted(rules, standing, at, amount)
        self.standing, move = tiers.raised(rules, counted, at)
        self._turn_if(self.standing is not counted or tiers.begins_later(counted, standing))
        self._tell(move)

    def _uncount(self, share: Share, amount: int, at: str) -> None:
        if share.qualifies and amount and self.standing is not None:
            self.standing = tiers.uncounted(self.standing, at, amount)

    def _tell(self, move: tiers.Move | None) -> None:
        if move is not None and self.programme.tiers is not None:
            levels = self.programme.tiers.levels
            self.moves.append(TierMove(levels[move.before].id, levels[move.after].id, move.at, move.qualifying, self.cause))
