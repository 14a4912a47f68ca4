"""What is known of a customer, by anchor: ``take`` adds a touchpoint, ``together`` adds several up. Pure, and commutative.

Every field is a sum, a minimum, a maximum, the latest in fact order, a set, or the top k in fact order, so that neither the
order of arrival nor merging and splitting customers changes what comes out. Numbers are integers: their sums are exact.
"""

from bisect import insort
from collections.abc import Callable, Sequence
from copy import copy
from operator import add
from typing import Any, TypeVar

import msgspec

from schemas import times

V = TypeVar("V")

RECENT_ORDERS = 20

Latest = list[Any]
"""[occurred_at, event_id, value…]: lists compare in fact order, since an event_id is unique."""


class Facts(msgspec.Struct, array_like=True):
    """Everything about one anchor's touchpoints. Times are canonical text, money minor units, scores thousandths."""

    first: str = "9999"
    last: str = ""
    count: int = 0
    types: dict[str, list[Any]] = {}
    """type → [count, last]"""
    channels: dict[str, list[Any]] = {}
    """source → [count, last]"""
    traits: dict[str, Latest] = {}
    """name → [at, event_id, value]; null stays, so that an older value does not come back"""
    spend: dict[str, list[int]] = {}
    """currency → [orders, gross]"""
    orders: list[Latest] = []
    """the latest orders: [at, event_id, order_id, total, currency], ascending"""
    first_order: str | None = None
    items: dict[str, int] = {}
    """sku → quantity"""
    categories: dict[str, list[Any]] = {}
    """category → [quantity, last bought]"""
    refunds: dict[str, Latest] = {}
    """refund_id → [at, event_id, order_id, amount, currency]: the first fact of a refund counts"""
    cases: dict[str, list[Any]] = {}
    """case_id → [opened, step, category, severity], the last three as latest"""
    surveys: dict[str, list[Any]] = {}
    """kind → [asked, answers, sum, perceived sum, expected sum, latest]"""
    sentiment: list[int] = msgspec.field(default_factory=lambda: [0, 0])
    """[count, sum of thousandths]"""
    conversations: dict[str, list[Any]] = {}
    """conversation → [first inbound, outbound times up to the first reply, ascending]"""
    needs: dict[str, Latest] = {}
    """category → [at, event_id, text]"""
    opportunities: dict[str, Latest] = {}
    """opportunity_id → [at, event_id, step, amount, currency]"""
    memberships: dict[str, Latest] = {}
    """programme → [at, event_id, step, until]"""
    consents: dict[str, dict[str, Latest]] = {}
    """purpose → channel → [at, event_id, granted, wording]"""


def take(facts: Facts, touchpoint: Any, payload: Any) -> None:
    """Adds one touchpoint (``schemas.reading``) in place. Call it once for each event_id."""
    at = touchpoint.occurred_at
    if at < facts.first:
        facts.first = at
    if at > facts.last:
        facts.last = at
    facts.count += 1
    _tally(facts.types, touchpoint.type, at)
    _tally(facts.channels, touchpoint.source, at)
    if adder := _ADDERS.get(touchpoint.type):
        adder(facts, at, touchpoint.event_id, payload)


def together(parts: Sequence[Facts]) -> Facts:
    """All of them as one; not to be changed, since it shares with its parts."""
    if len(parts) < 2:
        return parts[0] if parts else Facts()
    total = copy(parts[0])
    orders = list(total.orders)
    for part in parts[1:]:
        total.first, total.last = min(total.first, part.first), max(total.last, part.last)
        total.count += part.count
        total.types, total.channels = _tallied(total.types, part.types), _tallied(total.channels, part.channels)
        total.sentiment = _sums(total.sentiment, part.sentiment)
        orders += part.orders
        if part.first_order and (total.first_order is None or part.first_order < total.first_order):
            total.first_order = part.first_order
        for name, both in _UNITED:
            if entries := getattr(part, name):
                setattr(total, name, _united(getattr(total, name), entries, both))
    total.orders = sorted(orders)[-RECENT_ORDERS:]
    return total


def refunded(facts: Facts) -> tuple[dict[str, int], dict[str, int]]:
    """What was given back, by currency and by order."""
    by_currency: dict[str, int] = {}
    by_order: dict[str, int] = {}
    for _, _, order_id, amount, currency in facts.refunds.values():
        by_currency[currency] = by_currency.get(currency, 0) + amount
        by_order[order_id] = by_order.get(order_id, 0) + amount
    return by_currency, by_order


def _united(one: dict[str, V], other: dict[str, V], both: Callable[[V, V], V]) -> dict[str, V]:
    """``both``: of two entries with one name."""
    united = {**one, **other}
    if len(united) < len(one) + len(other):
        for name in one.keys() & other.keys():
            united[name] = both(one[name], other[name])
    return united


def _tallied(one: dict[str, list[Any]], other: dict[str, list[Any]]) -> dict[str, list[Any]]:
    tallies = {**one, **other}
    if len(tallies) < len(one) + len(other):
        for name in one.keys() & other.keys():
            (count, last), (more, later) = one[name], other[name]
            tallies[name] = [count + more, later if later > last else last]
    return tallies


def _sums(a: list[int], b: list[int]) -> list[int]:
    return [x + y for x, y in zip(a, b, strict=True)]


def _tally(tallies: dict[str, list[Any]], name: str, at: str, by: int = 1) -> None:
    tally = tallies.get(name)
    if tally is None:
        tallies[name] = [by, at]
        return
    tally[0] += by
    if at > tally[1]:
        tally[1] = at


def _newest(latest: dict[str, Latest], name: str, said: Latest) -> None:
    if name not in latest or said > latest[name]:
        latest[name] = said


def _later(a: Latest | None, b: Latest | None) -> Latest | None:
    if a is None or b is None:
        return a or b
    return max(a, b)


def _permille(score: float, scale: int) -> int:
    return int(score * 1000 / scale + 0.5)


def _feeling(facts: Facts, sentiment: float | None) -> None:
    if sentiment is not None:
        facts.sentiment = [facts.sentiment[0] + 1, facts.sentiment[1] + round(sentiment * 1000)]


def _purchase(facts: Facts, at: str, event_id: str, payload: Any) -> None:
    spend = facts.spend.setdefault(payload.currency, [0, 0])
    spend[0] += 1
    spend[1] += payload.total_minor
    insort(facts.orders, [at, event_id, payload.order_id, payload.total_minor, payload.currency])
    del facts.orders[:-RECENT_ORDERS]
    if facts.first_order is None or at < facts.first_order:
        facts.first_order = at
    for line in payload.lines:
        facts.items[line.sku] = facts.items.get(line.sku, 0) + line.quantity
        if line.category:
            _tally(facts.categories, line.category, at, line.quantity)


def _refund(facts: Facts, at: str, event_id: str, payload: Any) -> None:
    said = [at, event_id, payload.order_id, payload.total_minor, payload.currency]
    before = facts.refunds.get(payload.refund_id)
    facts.refunds[payload.refund_id] = said if before is None else min(before, said)


def _case(facts: Facts, at: str, event_id: str, payload: Any) -> None:
    said = [
        at,
        [at, event_id, payload.step],
        [at, event_id, payload.category] if payload.category else None,
        [at, event_id, payload.severity] if payload.severity else None,
    ]
    before = facts.cases.get(payload.case_id)
    facts.cases[payload.case_id] = said if before is None else _same_case(before, said)
    if payload.step in ("received", "reopened", "answered"):
        _talk(facts, f"case:{payload.case_id}", "outbound" if payload.step == "answered" else "inbound", at)


def _same_case(a: list[Any], b: list[Any]) -> list[Any]:
    return [min(a[0], b[0]), max(a[1], b[1]), _later(a[2], b[2]), _later(a[3], b[3])]


def _survey(facts: Facts, at: str, event_id: str, payload: Any) -> None:
    said: list[Any] = [1, 0, 0, 0, 0, None]
    if payload.score is not None:
        perceived = _permille(payload.score, payload.scale)
        said = [1, 1, perceived, 0, 0, [at, event_id, perceived]]
        if payload.expected:
            said[3:5] = [perceived, _permille(payload.expected, payload.scale)]
    before = facts.surveys.get(payload.kind)
    facts.surveys[payload.kind] = said if before is None else _same_survey(before, said)


def _same_survey(a: list[Any], b: list[Any]) -> list[Any]:
    return [*_sums(a[:5], b[:5]), _later(a[5], b[5])]


def _talk(facts: Facts, conversation: str, direction: str, at: str) -> None:
    said: list[Any] = [at, []] if direction == "inbound" else [None, [at]]
    before = facts.conversations.get(conversation)
    facts.conversations[conversation] = said if before is None else _same_conversation(before, said)


def _same_conversation(a: list[Any], b: list[Any]) -> list[Any]:
    """Replies after the first one are dropped: an earlier inbound message could only bring an earlier reply to the front."""
    inbound = min(filter(None, (a[0], b[0])), default=None)
    replies = sorted({*a[1], *b[1]})
    if inbound is not None:
        for place, reply in enumerate(replies):
            if reply >= inbound:
                return [inbound, replies[: place + 1]]
    return [inbound, replies]


def _call(facts: Facts, at: str, event_id: str, payload: Any) -> None:
    _feeling(facts, payload.sentiment)


def _talking(facts: Facts, at: str, event_id: str, payload: Any) -> None:
    """A mail, chat, message or social post: part of a conversation where it names one."""
    _feeling(facts, getattr(payload, "sentiment", None))
    if payload.conversation_id:
        _talk(facts, payload.conversation_id, payload.direction, at)
    elif case_id := getattr(payload, "case_id", None):
        _talk(facts, f"case:{case_id}", payload.direction, at)


def _identify(facts: Facts, at: str, event_id: str, payload: Any) -> None:
    for name, value in payload.traits.items():
        _newest_trait(facts.traits, name, [at, event_id, value])


def _newest_trait(traits: dict[str, Latest], name: str, said: Latest) -> None:
    """Compares only the fact, since values of traits may not be comparable."""
    if name not in traits or said[:2] > traits[name][:2]:
        traits[name] = said


def _need(facts: Facts, at: str, event_id: str, payload: Any) -> None:
    _newest(facts.needs, payload.category, [at, event_id, payload.text])


def _opportunity(facts: Facts, at: str, event_id: str, payload: Any) -> None:
    said = [at, event_id, payload.step, payload.amount_minor, payload.currency]
    _newest(facts.opportunities, payload.opportunity_id, said)


def _membership(facts: Facts, at: str, event_id: str, payload: Any) -> None:
    until = times.written(payload.until) if payload.until else None
    _newest(facts.memberships, payload.programme, [at, event_id, payload.step, until])


def _consent(facts: Facts, at: str, event_id: str, payload: Any) -> None:
    by_channel = facts.consents.setdefault(payload.purpose, {})
    _newest(by_channel, payload.channel, [at, event_id, payload.granted, payload.wording_version])


_UNITED: tuple[tuple[str, Callable[[Any, Any], Any]], ...] = (
    ("traits", max),
    ("spend", _sums),
    ("items", add),
    ("categories", lambda one, other: [one[0] + other[0], max(one[1], other[1])]),
    ("refunds", min),
    ("cases", _same_case),
    ("surveys", _same_survey),
    ("conversations", _same_conversation),
    ("needs", max),
    ("opportunities", max),
    ("memberships", max),
    ("consents", lambda one, other: _united(one, other, max)),
)
"""Field → how two parts' entries of one name become one."""

_ADDERS: dict[str, Callable[[Facts, str, str, Any], None]] = {
    "purchase": _purchase,
    "refund": _refund,
    "case": _case,
    "survey": _survey,
    "call": _call,
    "email": _talking,
    "chat": _talking,
    "social": _talking,
    "message": _talking,
    "identify": _identify,
    "need": _need,
    "opportunity": _opportunity,
    "membership": _membership,
    "consent": _consent,
}
