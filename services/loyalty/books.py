"""The books of one account while facts are entered: each kind of fact, and each thing that time brings, with its entries.

Used by ``account`` alone, which makes frozen states of it; nothing here outlives a call.
"""

from collections.abc import Callable
from typing import Any, ClassVar

import msgspec

from services.loyalty import tiers
from services.loyalty.earning import Earned, counted_minor, earned
from services.loyalty.facts import Adjustment, Birthday, Fact, Purchase, Redemption, Refund, Survey
from services.loyalty.lots import Lot, Lots, first_to_expire, less, of_id, settled, with_lot
from services.loyalty.moments import FOREVER, birthday_in, days_later
from services.loyalty.programme import Bonus, Level, Programme, Rule
from services.loyalty.refunds import History, Order, Share


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One entry of the ledger as the fold expects it. ``cause``: the event_id of the fact at hand, or ``clock``."""

    kind: str
    amount: int
    lot_id: str
    source_event: str
    rule: str | None
    version: int | None
    effective_at: str
    available_from: str | None
    expires_at: str | None
    cause: str


class TierMove(msgspec.Struct, frozen=True, gc=False):
    """The tier changed. ``before`` is None when the account opens."""

    before: str | None
    after: str
    at: str
    qualifying: int
    cause: str


class Anniversary(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The birthday ``MM-DD`` (empty: unknown), which event said so, when it is next, and the last year in which it was kept."""

    day: str
    source_event: str
    next_at: str
    kept: int


class Books:
    """Mutable. ``moment`` is the latest at which time brought something; ``history`` None: refunds cannot be entered."""

    def __init__(self, programme: Programme, history: History | None) -> None:
        self.programme, self.history = programme, history
        self.lots: Lots = ()
        self.debts: Lots = ()
        self.earned = self.expired = self.redeemed = self.adjusted = self.purchases = 0
        self.standing: tiers.Standing | None = None
        self.birthday: Anniversary | None = None
        self.rewarded: dict[str, str] = {}
        self.waiting: tuple[str, ...] = ()
        self.moves: list[Entry | TierMove] = []
        self.moment = ""
        self._qualified = 0
        self._cause = "clock"

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
            self.moment, self._cause = due, "clock"
            if due == expiry:
                self._expire(self.lots[0])
            elif due == review:
                self._review()
            else:
                self._celebrate()

    def _expire(self, lot: Lot) -> None:
        self.lots = self.lots[1:]
        self.expired += lot.remaining
        if self.history is not None:
            self.history.expired[lot.lot_id] = lot.remaining
        self._post("expire", -lot.remaining, lot, lot.source_event, lot.expires_at)

    def _review(self) -> None:
        assert self.programme.tiers is not None
        assert self.standing is not None
        self.standing, move = tiers.reviewed(self.programme.tiers, self.standing)
        self._tell(move)

    def _celebrate(self) -> None:
        assert self.birthday is not None
        day, source_event, at = self.birthday.day, self.birthday.source_event, self.birthday.next_at
        year = int(at[:4])
        self.birthday = Anniversary(day, source_event, birthday_in(year + 1, day), year)
        for bonus in self.programme.bonuses_on("birthday", at):
            if self.purchases or not bonus.after_purchase:
                self._earn("bonus", Earned(bonus, bonus.id, bonus.points), source_event, at, f"{source_event}:{bonus.id}:{year}")
        self._settle(source_event, at)
        self._raise(at)

    # ---- facts

    def take(self, fact: Fact) -> None:
        """Time up to the fact, then the fact."""
        self.advance(fact.at)
        self._cause = fact.event_id
        self._open(fact.at)
        self._TAKE[type(fact)](self, fact)

    def _open(self, at: str) -> None:
        if self.standing is None:
            self.standing = tiers.Standing(since=at)
            if self.programme.tiers is not None:
                self.moves.append(TierMove(None, self.programme.tiers.levels[0].id, at, 0, self._cause))

    def _purchase(self, fact: Purchase) -> None:
        order = Order(fact) if self.history is not None else None
        for gain in earned(self.programme, self._level(), fact):
            self._earn_from(order, "earn", gain, fact)
        if not self.purchases:
            for bonus in self.programme.bonuses_on("first_purchase", fact.at):
                self._earn_from(order, "bonus", Earned(bonus, bonus.id, bonus.points), fact)
        self.purchases += 1
        self._settle(fact.event_id, fact.at)
        self._count_spend(order, fact)
        self._raise(fact.at)
        if self.history is not None and order is not None:
            self.history.orders[fact.order_id] = order
            for refund in self.history.waiting.pop(fact.order_id, ()):
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
                self._reverse(lot_id, share, due, refund.event_id, at)
            if order.spend is not None:
                due = order.due(order.spend)
                order.spend.taken += due
                self._uncount(order.spend, due, order.purchase.at)
            self._settle(refund.event_id, at)

    def _survey(self, fact: Survey) -> None:
        for bonus in self.programme.bonuses_on("survey", fact.at):
            if self._may_reward(bonus, fact.at):
                self._earn("bonus", Earned(bonus, bonus.id, bonus.points), fact.event_id, fact.at)
        self._settle(fact.event_id, fact.at)
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
        self._use("redeem", fact.points, fact.event_id, fact.at)

    def _adjustment(self, fact: Adjustment) -> None:
        self.adjusted += fact.points
        if fact.points < 0:
            self._use("adjust", -fact.points, fact.event_id, fact.at)
        else:
            lot = Lot(FOREVER, fact.at, f"{fact.event_id}:adjust", fact.event_id, "adjust", 1, fact.at, fact.points)
            self.lots = with_lot(self.lots, lot)
            self._post("adjust", fact.points, lot, fact.event_id, fact.at, dated=True)
            self._settle(fact.event_id, fact.at)

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
        lot_id = self._earn(kind, gain, fact.event_id, fact.at)
        if self.history is not None and order is not None and lot_id is not None:
            order.lots[lot_id] = Share(gain.points, gain.lines, self._qualifies(gain.rule))

    def _earn(self, kind: str, gain: Earned, source_event: str, at: str, lot_id: str | None = None) -> str | None:
        """A new lot; its id, or None where the points came to nothing."""
        if gain.points == 0:
            return None
        rule: Rule = gain.rule
        lot = Lot(
            rule.expires_at(at),
            at,
            lot_id or f"{source_event}:{gain.name}",
            source_event,
            gain.name,
            rule.version,
            rule.available_from(at),
            gain.points,
        )
        self.lots = with_lot(self.lots, lot)
        if self.history is not None:
            self.history.lots[lot.lot_id] = lot
        self.earned += gain.points
        self._post(kind, gain.points, lot, source_event, at, dated=True)
        if self._qualifies(rule):
            self._qualified += gain.points
        return lot.lot_id

    def _reverse(self, lot_id: str, share: Share, points: int, source_event: str, at: str) -> None:
        """From what remains of the lot, then what was spent of it, as a debt. What expired is gone already."""
        assert self.history is not None
        lot = of_id(self.lots, lot_id)
        remaining = lot.remaining if lot else 0
        spent = share.amount - remaining - self.history.expired.get(lot_id, 0) - share.charged
        from_lot = min(points, remaining)
        owed = min(points - from_lot, spent)
        share.taken += points
        share.charged += from_lot + owed
        self.earned -= from_lot + owed
        if lot is not None:
            self.lots = less(self.lots, [(lot, from_lot)])
        origin = self.history.lots[lot_id]
        if owed:
            self._owe(origin, owed, at)
        self._post("reverse", -(from_lot + owed), origin, source_event, at)

    def _use(self, kind: str, points: int, source_event: str, at: str) -> None:
        """Takes the points that expire first; what is missing (an accepted fact is never refused) becomes a debt."""
        taken = first_to_expire(self.lots, points, at)
        self.lots = less(self.lots, taken)
        for lot, part in taken:
            self._post(kind, -part, lot, source_event, at)
        missing = points - sum(part for _, part in taken)
        if missing:
            debt = Lot(FOREVER, at, f"{source_event}:{kind}", source_event, kind, 1, at, 0)
            self._owe(debt, missing, at)
            self._post(kind, -missing, debt, source_event, at)
        self._settle(source_event, at)

    def _owe(self, lot: Lot, points: int, at: str) -> None:
        debt = of_id(self.debts, lot.lot_id)
        if debt is not None:
            self.debts = less(self.debts, [(debt, points)])
        else:
            self.debts = with_lot(self.debts, msgspec.structs.replace(lot, expires_at=FOREVER, earned_at=at, remaining=-points))

    def _settle(self, source_event: str, at: str) -> None:
        """Points that are there make up for points that are owed, whether they are available yet or not."""
        if self.debts and self.lots:
            self.lots, self.debts, changes = settled(self.lots, self.debts)
            for lot, points in changes.values():
                self._post("settle", points, lot, source_event, at)

    def _post(self, kind: str, points: int, lot: Lot, source_event: str, at: str, dated: bool = False) -> None:
        """``dated``: the entry that makes the lot says from when and until when its points can be spent."""
        if points:
            available = lot.available_from if dated else None
            expires = lot.expires_at if dated and lot.expires_at != FOREVER else None
            self.moves.append(Entry(kind, points, lot.lot_id, source_event, lot.rule, lot.version, at, available, expires, self._cause))

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
        self.standing, move = tiers.raised(rules, tiers.counted(rules, standing, at, amount), at)
        self._tell(move)

    def _uncount(self, share: Share, amount: int, at: str) -> None:
        if share.qualifies and amount and self.standing is not None:
            self.standing = tiers.uncounted(self.standing, at, amount)

    def _tell(self, move: tiers.Move | None) -> None:
        if move is not None and self.programme.tiers is not None:
            levels = self.programme.tiers.levels
            self.moves.append(TierMove(levels[move.before].id, levels[move.after].id, move.at, move.qualifying, self._cause))
