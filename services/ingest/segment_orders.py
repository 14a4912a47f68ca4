"""Segment's e-commerce events into purchases and refunds.

Source of the names: Segment's "Spec: V2 Ecommerce Events", Order Completed and Order Refunded. ``total`` is what was paid;
``revenue`` is without tax and shipping; a missing ``currency`` means US dollars, as Segment says.
"""

from typing import Any

from services.ingest.minor_units import to_minor
from services.ingest.segment_fields import invalid, text_of

Fields = dict[str, Any]


def purchase(properties: Fields) -> Fields:
    """The payload of an `Order Completed`. Raises Unreadable with the path of the property."""
    currency = _currency(properties)
    lines = [_purchase_line(product, index, currency) for index, product in enumerate(_products(properties))]
    return {
        "order_id": _required(properties, "order_id"),
        "lines": lines,
        "total_minor": _paid(properties, currency, lines),
        "tax_minor": _amount(properties, "tax", currency),
        "shipping_minor": _amount(properties, "shipping", currency),
        "currency": currency,
        "store": text_of(properties.get("affiliation")),
        "payment": text_of(properties.get("payment_method")),
        "properties": properties,
    }


def refund(properties: Fields, message_id: str) -> Fields:
    """The payload of an `Order Refunded`, version 2: its total, or that of the products given back. ``message_id`` names the refund where
    nothing else does."""
    currency = _currency(properties)
    amount = next((found for name in ("total", "revenue", "value") if (found := _amount(properties, name, currency)) is not None), None)
    lines = [] if amount is not None else [_refund_line(p, i, currency) for i, p in enumerate(_products(properties))]
    if amount is None and not lines:
        raise invalid("$.properties.total", "say how much was given back: total, or products with price and quantity")
    return {
        "order_id": _required(properties, "order_id"),
        "refund_id": text_of(properties.get("refund_id")) or message_id,
        "total_minor": sum(line["amount_minor"] for line in lines) if amount is None else amount,
        "lines": lines,
        "currency": currency,
        "reason": text_of(properties.get("reason")),
        "properties": properties,
    }


def _paid(properties: Fields, currency: str, lines: list[Fields]) -> int:
    total = _amount(properties, "total", currency)
    if total is not None:
        return total
    extra = (_amount(properties, "tax", currency) or 0) + (_amount(properties, "shipping", currency) or 0)
    revenue = _amount(properties, "revenue", currency)
    if revenue is not None:
        return revenue + extra
    value = _amount(properties, "value", currency)
    if value is not None:
        return value
    if not lines or any(line["unit_price_minor"] is None for line in lines):
        raise invalid("$.properties.total", "say what was paid: total, revenue, or products with price and quantity")
    goods: int = sum(line["unit_price_minor"] * line["quantity"] for line in lines)
    return goods + extra - (_amount(properties, "discount", currency) or 0)


def _purchase_line(product: Fields, index: int, currency: str) -> Fields:
    return {
        "sku": _sku(product, index),
        "name": text_of(product.get("name")),
        "category": text_of(product.get("category")),
        "quantity": _quantity(product, index),
        "unit_price_minor": _amount(product, "price", currency, f"$.properties.products[{index}].price"),
    }


def _refund_line(product: Fields, index: int, currency: str) -> Fields:
    path = f"$.properties.products[{index}].price"
    price = _amount(product, "price", currency, path)
    if price is None:
        raise invalid(path, "a refund needs its total, or the price of each product")
    quantity = _quantity(product, index)
    return {"sku": _sku(product, index), "quantity": quantity, "amount_minor": price * quantity}


def _products(properties: Fields) -> list[Fields]:
    products = properties.get("products")
    if products is None:
        return []
    if not isinstance(products, list) or not all(isinstance(product, dict) for product in products):
        raise invalid("$.properties.products", "expected an array of objects")
    return products


def _sku(product: Fields, index: int) -> str:
    for name in ("sku", "product_id", "id", "name"):
        if found := text_of(product.get(name)):
            return found
    raise invalid(f"$.properties.products[{index}].sku", "give sku or product_id")


def _quantity(product: Fields, index: int) -> int:
    quantity = product.get("quantity")
    try:
        exact = 1 if quantity is None else to_minor(quantity, "JPY")
    except ValueError as error:
        raise invalid(f"$.properties.products[{index}].quantity", "expected a whole number") from error
    if quantity is not None and float(quantity) != exact:
        raise invalid(f"$.properties.products[{index}].quantity", "expected a whole number")
    return exact


def _currency(properties: Fields) -> str:
    return (text_of(properties.get("currency")) or "USD").upper()


def _amount(fields: Fields, name: str, currency: str, path: str = "") -> int | None:
    value = fields.get(name)
    if value is None or value == "":
        return None
    try:
        return to_minor(value, currency)
    except ValueError as error:
        raise invalid(path or f"$.properties.{name}", str(error)) from error


def _required(properties: Fields, name: str) -> str:
    found = text_of(properties.get(name))
    if found is None:
        raise invalid(f"$.properties.{name}", "missing: the order cannot be told from others without it")
    return found
