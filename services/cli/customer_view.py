"""One customer on the terminal."""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from schemas.currencies import decimals, minor_units
from services.cli.customer import Whole
from services.projections.answers import Change, Customer, LedgerEntry, LoyaltyAccount, Touchpoint

LONGEST_TEXT = 90
TELLING = ("message", "text", "subject", "name", "order_id", "step", "action", "outcome", "topic", "comment", "category", "traits")
"""Fields of a payload that say most about it, the first that is there first."""


def show(console: Console, whole: Whole) -> None:
    console.print(_facts(whole.customer))
    _section(console, "Loyalty account", _account(whole.account) if whole.account else Text("none"))
    _section(console, f"Timeline (latest {len(whole.timeline)} of {whole.customer.touchpoints:,})", _timeline(whole.timeline))
    if whole.changes:
        _section(console, "Changes", _changes(whole.changes))
    if whole.ledger:
        _section(console, "Ledger", _ledger(whole.ledger))


def _section(console: Console, title: str, content: Table | Text) -> None:
    console.print()
    console.print(Text(title, "bold"))
    console.print(content)


def _facts(customer: Customer) -> Table:
    bought = f"{customer.gross:,} {customer.currency} in {customer.orders:,} orders" if customer.orders else "nothing yet"
    back = f", {customer.refunded:,} given back" if customer.refunded else ""
    satisfaction = None if customer.csat_mean is None else f"{customer.csat_mean:.0%} of the scale"
    expected = "" if customer.perceived_to_expected is None else f", {customer.perceived_to_expected:.0%} of what was expected"
    facts: dict[str, object] = {
        "customer": customer.customer_id,
        "identifiers": _listed(customer.identifiers),
        "traits": _pairs(customer.traits),
        "lifecycle": customer.lifecycle,
        "seen": f"{_time(customer.first_seen_at)} to {_time(customer.last_seen_at)}",
        "touchpoints": _pairs({kind: f"{count:,}" for kind, count in customer.touchpoints_by_type.items()}),
        "channel": f"usual {customer.usual_channel or '-'}, preferred {customer.preferred_channel or 'not told'}",
        "bought": bought + back,
        "last order": _time(customer.last_order_at),
        "favourites": _listed([*customer.favourite_categories, *customer.favourite_items]),
        "open cases": _listed(customer.open_cases),
        "satisfaction": satisfaction and satisfaction + expected,
        "sentiment": customer.sentiment and f"{customer.sentiment:+.2f}",
        "response time": customer.response_seconds_mean and f"{customer.response_seconds_mean / 60:,.0f} min",
        "open needs": _pairs(customer.open_needs),
        "opportunities": _pairs(customer.opportunities),
        "memberships": _pairs(customer.memberships),
        "consents": _pairs({name: "given" if given else "refused" for name, given in customer.consents.items()}),
    }
    table = _plain_table()
    table.show_header = False
    for name, value in facts.items():
        if value:
            table.add_row(Text(name, "dim"), Text(str(value)))
    return table


def _account(account: LoyaltyAccount) -> Table:
    table = _plain_table("tier", "balance", "available", "earned", "expired", "redeemed", "next expiry")
    expiry = f"{account.next_expiry_points:,} on {_time(account.next_expiry_at)}" if account.next_expiry_at else "-"
    numbers = (account.balance, account.available, account.earned, account.expired, account.redeemed)
    table.add_row(f"{account.tier or '-'} (since {_time(account.tier_since)})", *(f"{number:,}" for number in numbers), expiry)
    return table


def _timeline(timeline: Iterable[Touchpoint]) -> Table:
    table = _plain_table("when", "type", "channel", "", "what")
    for touchpoint in timeline:
        what = Text(_telling(touchpoint))
        table.add_row(_time(touchpoint.occurred_at), touchpoint.type, touchpoint.source, touchpoint.direction, what)
    return table


def _telling(touchpoint: Touchpoint) -> str:
    payload = json.loads(touchpoint.payload)
    said = [str(payload[name]) for name in TELLING if payload.get(name)]
    amount, currency = payload.get("total_minor", payload.get("amount_minor")), payload.get("currency", "")
    if amount is not None:
        said.append(f"{Decimal(amount) / minor_units(currency):,.{decimals(currency)}f} {currency}")
    if "score" in payload:
        said.append(f"{payload['kind']} {payload['score'] if payload['score'] is not None else 'not answered'} of {payload['scale']}")
    text = " · ".join(said)
    return text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 1] + "…"


def _changes(changes: Iterable[Change]) -> Table:
    table = _plain_table("when", "change", "what", "because of")
    for change in changes:
        life = f"{change.lifecycle_before or 'none'} → {change.lifecycle_after}" if change.lifecycle_after else ""
        what = ", ".join(part for part in (life, change.reason, *change.identifiers) if part)
        table.add_row(_time(change.effective_at), change.event, Text(what), Text(change.cause))
    return table


def _ledger(entries: Iterable[LedgerEntry]) -> Table:
    table = _plain_table("when", "kind", "points", "balance", "rule", "because of")
    for entry in entries:
        rule = f"{entry.rule} v{entry.rule_version}" if entry.rule else ""
        table.add_row(_time(entry.effective_at), entry.kind, f"{entry.amount:+,}", f"{entry.balance:,}", rule, Text(entry.source_event))
    return table


def _plain_table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in headings:
        table.add_column(heading, overflow="fold", justify="right" if heading in ("points", "balance") else "left")
    return table


def _time(moment: datetime | None) -> str:
    return moment.strftime("%Y-%m-%d %H:%M") if moment else "-"


def _listed(values: Iterable[str]) -> str:
    return ", ".join(values)


def _pairs(values: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())
