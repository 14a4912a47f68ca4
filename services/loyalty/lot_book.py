"""The lots of one account while entries are made: earned, taken back, spent, owed, settled, expired."""

import msgspec

from services.loyalty.earning import Earned
from services.loyalty.lots import Lot, Lots, first_to_expire, less, of_id, settled, with_lot
from services.loyalty.moments import FOREVER
from services.loyalty.moves import Entry, Move
from services.loyalty.refunds import History, Share


class LotBook:
    """Mutable, for the length of one call. Every change of a lot is posted to ``moves``, with ``cause``.

    ``history`` is None where an account goes on from a stored state: then nothing can be taken back.
    """

    def __init__(self, history: History | None) -> None:
        self.history = history
        self.lots: Lots = ()
        self.debts: Lots = ()
        self.earned = self.expired = self.redeemed = self.adjusted = 0
        self.moves: list[Move] = []
        self.cause = "clock"

    def earn(self, kind: str, gain: Earned, source_event: str, at: str, lot_id: str | None = None) -> str | None:
        """A new lot; its id, or None where the points came to nothing."""
        if gain.points == 0:
            return None
        rule = gain.rule
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
        return lot.lot_id

    def give(self, points: int, source_event: str, at: str) -> None:
        """A lot that no rule earned and that never expires."""
        lot = Lot(FOREVER, at, f"{source_event}:adjust", source_event, "adjust", 1, at, points)
        self.lots = with_lot(self.lots, lot)
        self._post("adjust", points, lot, source_event, at, dated=True)
        self.settle(source_event, at)

    def reverse(self, lot_id: str, share: Share, points: int, source_event: str, at: str) -> None:
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

    def use(self, kind: str, points: int, source_event: str, at: str) -> None:
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
        self.settle(source_event, at)

    def _owe(self, lot: Lot, points: int, at: str) -> None:
        debt = of_id(self.debts, lot.lot_id)
        if debt is not None:
            self.debts = less(self.debts, [(debt, points)])
        else:
            self.debts = with_lot(self.debts, msgspec.structs.replace(lot, expires_at=FOREVER, earned_at=at, remaining=-points))

    def settle(self, source_event: str, at: str) -> None:
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
            self.moves.append(Entry(kind, points, lot.lot_id, source_event, lot.rule, lot.version, at, available, expires, self.cause))

    def expire(self, lot: Lot) -> None:
        self.lots = self.lots[1:]
        self.expired += lot.remaining
        if self.history is not None:
            self.history.expired[lot.lot_id] = lot.remaining
        self._post("expire", -lot.remaining, lot, lot.source_event, lot.expires_at)
