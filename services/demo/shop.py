"""The real purchases: the CDNOW log, one touchpoint a row."""

import csv
import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cached_property
from pathlib import Path

from services.demo.wire import Named, Touchpoint, noon, touchpoint

FILE = Path(__file__).parent / "data" / "cdnow_purchases.csv.gz"
SOURCE = "shop"
EVENT_PREFIX = "cdnow-"
YEARS = 28
"""After 28 years the calendar repeats: every date keeps its weekday, February 29 its year."""


@dataclass(frozen=True, slots=True)
class Order:
    """One row of the log. ``row`` counts from 1; ``at`` is noon UTC of its day, moved forward; money in cents."""

    row: int
    customer: str
    at: int
    quantity: int
    total_minor: int

    @property
    def order_id(self) -> str:
        return f"CD{self.row:05d}"

    @property
    def who(self) -> list[Named]:
        """How the shop knows the buyer."""
        return [("customer_id", self.customer)]


class Shop:
    """All orders, and each customer's first."""

    def __init__(self, orders: list[Order]) -> None:
        self.orders = orders

    @cached_property
    def first_orders(self) -> dict[str, Order]:
        """The first order of each customer, by customer."""
        first: dict[str, Order] = {}
        for order in self.orders:
            known = first.get(order.customer)
            if known is None or order.at < known.at:
                first[order.customer] = order
        return first


def opened() -> Shop:
    """The shop with the whole log, in the log's order."""
    with gzip.open(FILE, "rt", encoding="ascii", newline="") as lines:
        rows = csv.DictReader(lines)
        return Shop([_order(number, row) for number, row in enumerate(rows, start=1)])


def _order(number: int, row: dict[str, str]) -> Order:
    sold = date.fromisoformat(row["date"])
    moved = sold.replace(year=sold.year + YEARS)
    cents = Decimal(row["amount_usd"]) * 100
    if cents != int(cents):
        raise ValueError(f"row {number}: {row['amount_usd']} is no amount in cents")
    return Order(number, row["customer_id"], noon(moved), int(row["quantity"]), int(cents))


def purchases(shop: Shop) -> Iterator[Touchpoint]:
    """One purchase an order; its event_id is the row's number, so sending it again adds nothing."""
    for order in shop.orders:
        payload = {
            "order_id": order.order_id,
            "lines": [{"sku": "CD", "name": "Compact disc", "category": "music", "quantity": order.quantity}],
            "total_minor": order.total_minor,
            "currency": "USD",
            "store": "cdnow.example",
        }
        yield touchpoint("purchase", f"{EVENT_PREFIX}{order.row:05d}", order.at, SOURCE, order.who, payload)
