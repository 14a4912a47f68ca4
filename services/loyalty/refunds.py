"""How much of what an order earned its refunds take back. Pure arithmetic on what was bought and given back.

A refund that names lines takes back what these lines earned: of each, the part of its paid price that was given back. One
that names only an amount takes back the same part of everything. Shares add up over several refunds, are rounded down, and
an order whose whole total was given back has lost exactly what it earned.
"""

from fractions import Fraction

import msgspec

from services.loyalty.earning import weights
from services.loyalty.facts import Purchase, Refund
from services.loyalty.lots import Lot


class Share(msgspec.Struct):
    """Something that the order brought (points of a lot, or spend), the lines it is for, and what refunds took of it.

    ``qualifies``: it counted towards the tier. ``charged``: what was taken of points that had not expired.
    """

    amount: int
    lines: tuple[int, ...]
    qualifies: bool
    taken: int = 0
    charged: int = 0


class Order(msgspec.Struct):
    """A purchase and its refunds so far. ``lots``: lot id → share."""

    purchase: Purchase
    lots: dict[str, Share] = {}
    spend: Share | None = None
    refund_ids: set[str] = msgspec.field(default_factory=set)
    refunded: int = 0
    at_large: int = 0  # refunded without naming a line
    by_line: dict[int, int] = {}

    def refund(self, refund: Refund) -> bool:
        """Counts the refund; False where the same refund_id was counted before."""
        if refund.refund_id in self.refund_ids:
            return False
        self.refund_ids.add(refund.refund_id)
        self.refunded += refund.amount
        if not refund.lines:
            self.at_large += refund.amount
        for line in refund.lines:
            self._refund_line(line.sku, line.amount)
        return True

    def _refund_line(self, sku: str, amount: int) -> None:
        """On the lines with that sku, each up to what was paid for it and no more; what is of no line is at large."""
        indexes = [index for index, line in enumerate(self.purchase.lines) if line.sku == sku]
        for index in indexes:
            part = min(amount, self.paid(index) - self.by_line.get(index, 0))
            self.by_line[index] = self.by_line.get(index, 0) + part
            amount -= part
        if not indexes:
            self.at_large += amount

    def paid(self, index: int) -> int:
        """For that line: its price, or its share of the total where that is less (a discount) or there is no price."""
        purchase = self.purchase
        every = weights(purchase.lines)
        share = max(0, purchase.total - purchase.shipping) * every[index] // sum(every)
        line = purchase.lines[index]
        return share if line.price is None else min(line.price * line.quantity, share)

    def due(self, share: Share) -> int:
        """What is to be taken of the share now, beyond what was taken."""
        return int(share.amount * self._part(share.lines)) - share.taken

    def _part(self, lines: tuple[int, ...]) -> Fraction:
        total = self.purchase.total
        if self.refunded >= total:
            return Fraction(1)
        if not lines:
            return Fraction(self.refunded, total)
        every = weights(self.purchase.lines)
        whole = sum(every[index] for index in lines)
        given_back = sum((every[index] * self._line_part(index) for index in lines), Fraction(0))
        return min(Fraction(1), (given_back / whole if whole else Fraction(0)) + Fraction(self.at_large, total))

    def _line_part(self, index: int) -> Fraction:
        if index not in self.by_line:
            return Fraction(0)
        paid = self.paid(index)
        return Fraction(self.by_line[index], paid) if paid else Fraction(1)


class History(msgspec.Struct):
    """What a fold from the beginning remembers of closed business, which a stored account does not: refunds need it."""

    orders: dict[str, Order] = {}
    waiting: dict[str, list[Refund]] = {}  # refunds of orders that are not known (yet)
    lots: dict[str, Lot] = {}  # lot id → as it was when it was earned
    expired: dict[str, int] = {}  # lot id → points
    noted: dict[str, str] = {}  # event_id → why a fact had no effect
