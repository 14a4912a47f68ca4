"""Which message feeds which tables. Pure: bytes in, rows out, or ``Unreadable``."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from schemas import topics
from services.projections import messages
from services.projections.table import Row, Table
from services.projections.tables import (
    case_steps,
    customer_changes,
    customer_identifiers,
    customers,
    identifier_moves,
    loyalty_accounts,
    loyalty_changes,
    loyalty_ledger,
    profiles,
    purchase_lines,
    purchases,
    quarantine,
    quarantine_decisions,
    redemptions,
    refunds,
    surveys,
    touchpoints,
)

Headers = Iterable[tuple[str, bytes]]
Filled = Iterator[tuple[Table, list[Row]]]


class Unreadable(Exception):
    """Raised by ``rows_of``: nobody of ours wrote this message. It goes to quarantine, and the partition moves on."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, detail


class Feed(NamedTuple):
    """A table, and how an event becomes its rows."""

    table: Table
    to_rows: Callable[..., list[Row]]


class Route(NamedTuple):
    """How a type of message is read, and what it feeds."""

    decode: Callable[[bytes], Any]
    feeds: tuple[Feed, ...]


_HOLDERS = Feed(customer_identifiers.TABLE, customer_identifiers.to_rows)
_MOVES = Feed(identifier_moves.TABLE, identifier_moves.to_rows)
_CHANGES = Feed(customer_changes.TABLE, customer_changes.to_rows)

_BY_TOUCHPOINT_TYPE: Mapping[str, tuple[Feed, ...]] = {
    "purchase": (Feed(purchases.TABLE, purchases.to_rows), Feed(purchase_lines.TABLE, purchase_lines.to_rows)),
    "refund": (Feed(refunds.TABLE, refunds.to_rows),),
    "case": (Feed(case_steps.TABLE, case_steps.to_rows),),
    "survey": (Feed(surveys.TABLE, surveys.to_rows),),
}


def _route(struct: type[msgspec.Struct], *feeds: Feed) -> Route:
    return Route(msgspec.json.Decoder(struct).decode, feeds)


_APPLIED = _route(messages.TouchpointApplied)
_EVENTS: Mapping[str, Mapping[bytes, Route]] = {
    topics.PROFILE_CHANGES.name: {
        b"touchpoint_applied": _APPLIED,
        b"customers_merged": _route(messages.CustomersMerged, _HOLDERS, _MOVES, _CHANGES),
        b"customer_merged_into": _route(messages.CustomerMergedInto, _CHANGES),
        b"identifiers_joined": _route(messages.IdentifiersJoined, _HOLDERS, _MOVES, _CHANGES),
        b"identifiers_left": _route(messages.IdentifiersLeft, _HOLDERS, _MOVES, _CHANGES),
        b"link_refused": _route(messages.LinkRefused, _CHANGES),
        b"lifecycle_changed": _route(messages.LifecycleChanged, _CHANGES),
    },
    topics.LOYALTY_CHANGES.name: {
        b"entry_posted": _route(messages.EntryPosted, Feed(loyalty_ledger.TABLE, loyalty_ledger.to_rows)),
        b"tier_changed": _route(messages.TierChanged, Feed(loyalty_changes.TABLE, loyalty_changes.to_rows)),
        b"account_merged_into": _route(messages.AccountMergedInto, Feed(loyalty_changes.TABLE, loyalty_changes.to_rows)),
        b"redemption_accepted": _route(messages.RedemptionAccepted, Feed(redemptions.TABLE, redemptions.to_rows)),
    },
}
_SHOWN = _route(messages.Profile)
_SNAPSHOTS: Mapping[str, Route] = {
    topics.PROFILES.name: _SHOWN,
    topics.LOYALTY_ACCOUNTS.name: _route(messages.Account, Feed(loyalty_accounts.TABLE, loyalty_accounts.to_rows)),
    topics.QUARANTINE.name: _route(messages.Quarantined, Feed(quarantine.TABLE, quarantine.to_rows)),
}
_QUARANTINE_DECIDED = _route(messages.QuarantineDecision, Feed(quarantine_decisions.TABLE, quarantine_decisions.to_rows))
TOPICS = (*_EVENTS, *_SNAPSHOTS)
"""What projections read."""
COMPACTED = frozenset({topics.PROFILES.name, topics.LOYALTY_ACCOUNTS.name})
"""Topics of snapshots: only the highest sequence of a key counts."""
TABLES = (
    identifier_moves.TABLE,
    customer_identifiers.TABLE,
    touchpoints.TABLE,
    purchases.TABLE,
    purchase_lines.TABLE,
    refunds.TABLE,
    case_steps.TABLE,
    surveys.TABLE,
    customer_changes.TABLE,
    customers.TABLE,
    profiles.TABLE,
    loyalty_ledger.TABLE,
    loyalty_changes.TABLE,
    redemptions.TABLE,
    loyalty_accounts.TABLE,
    quarantine.TABLE,
    quarantine_decisions.TABLE,
)
"""Every table that is filled, in the order in which a batch is written."""


def rows_of(topic: str, offset: int, headers: Headers, value: bytes | None) -> Filled:
    """The rows of one message, by table. Raises Unreadable before the first of them."""
    if value is None:
        raise Unreadable("empty", "the message has no value")
    try:
        route, id = _route_of(topic, offset, dict(headers))
        if not value.isascii():
            value.decode()
        return _filled(route, id, route.decode(value), value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Unreadable("unreadable_message", str(error)) from error


def _route_of(topic: str, offset: int, headers: Mapping[str, bytes]) -> tuple[Route, int]:
    kind, id = headers.get("type", b""), headers.get("id", b"")
    if topic == topics.QUARANTINE.name and kind == b"quarantine_decided":
        return _QUARANTINE_DECIDED, offset
    if topic in _SNAPSHOTS:
        return _SNAPSHOTS[topic], offset
    route = _EVENTS[topic].get(kind)
    if route is None:
        raise Unreadable("unknown_message_type", f"the header `type` is {kind[:100]!r}: written by a newer Rapport, or by somebody else")
    if not (id.isdigit() and len(id) <= 19):
        raise Unreadable("no_notification_id", f"the header `id` is {id[:100]!r}, not a notification id")
    return route, int(id)


def _filled(route: Route, id: int, event: Any, value: bytes) -> Filled:
    """Decodes what may fail now; makes the rows when asked."""
    if route is _APPLIED:
        payload = messages.payload_of(event.touchpoint)
        return _applied(id, event, payload)
    if route is _SHOWN:
        return iter([(customers.TABLE, customers.to_rows(id, event)), (profiles.TABLE, profiles.to_rows(event, value))])
    return ((feed.table, feed.to_rows(id, event)) for feed in route.feeds)


def _applied(id: int, event: messages.TouchpointApplied, payload: Any) -> Filled:
    yield touchpoints.TABLE, touchpoints.to_rows(id, event, payload)
    if event.joined:
        yield customer_identifiers.TABLE, customer_identifiers.to_rows(id, event)
    for feed in _BY_TOUCHPOINT_TYPE.get(event.touchpoint.type, ()):
        yield feed.table, feed.to_rows(id, event, payload)
