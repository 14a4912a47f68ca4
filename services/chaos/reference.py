"""What the log must come to: a plain, sequential fold in fact order, without anything that makes the stages fast.

Written from the meaning (docs/identity-and-profile.md, docs/loyalty.md), not from the stages. Of them it uses only the
normalising of identifiers, which is data cleaning. It knows the bench's programme alone (``programme.yaml``).
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, NamedTuple

import msgspec

from schemas.reading import Unreadable, read
from schemas.times import from_millis
from services.profile.identifiers import IdentityPolicy, Name, Names

WELCOME_POINTS = 50
LEVELS = (("member", 0, Fraction(1)), ("silver", 150, Fraction(5, 4)), ("gold", 500, Fraction(3, 2)))


class LogRecord(NamedTuple):
    """One record of the topic ``touchpoints``; ``timestamp`` in epoch milliseconds."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    value: bytes


class Fact(NamedTuple):
    """A touchpoint that counts: the first of its event_id. Tuple order is fact order."""

    occurred_at: str
    event_id: str
    type: str
    source: str
    names: tuple[Name, ...]
    payload: Mapping[str, Any]


class Redemption(NamedTuple):
    """Points that were spent, as ``loyalty-events`` says, where alone it is told; ``anchor``: id of the identifier it belongs to."""

    redemption_id: str
    anchor: str
    points: int


@dataclass
class Customer:
    """``net`` and ``orders``: by currency, in minor units, and over all currencies."""

    identifiers: set[str] = field(default_factory=set)
    events: set[str] = field(default_factory=set)
    net: Counter[str] = field(default_factory=Counter)
    orders: int = 0
    traits: dict[str, Any] = field(default_factory=dict)
    balance: int = 0
    redeemed: int = 0
    tier: str = ""


@dataclass
class Expected:
    """``quarantined``: quarantine_id → reason, of what the profile stage must refuse; ``refused``: (anchor, other) links."""

    customers: dict[str, Customer]
    quarantined: dict[str, str]
    refused: set[tuple[str, str]]
    duplicates: int


def expected(
    log: Iterable[LogRecord], policy: IdentityPolicy, redemptions: Iterable[Redemption] = (), too_new: Collection[str] = ()
) -> Expected:
    """The whole log, each partition's records in order; each redemption once."""
    facts = Facts(policy)
    facts.take(log, too_new)
    return facts.expected(redemptions)


# ---- which touchpoints count


class Facts:
    """What the records come to one by one: a fact, a repeat, or a refusal. ``quarantined``: quarantine_id → reason."""

    def __init__(self, policy: IdentityPolicy) -> None:
        self.quarantined: dict[str, str] = {}
        self._policy, self._names, self._duplicates = policy, Names(policy), 0
        self._first: dict[str, tuple[Fact, Any]] = {}

    def take(self, log: Iterable[LogRecord], too_new: Collection[str] = ()) -> None:
        """What follows on what was taken before. ``too_new``: what a process of the former release read, by quarantine_id; it counts
        where it was put back."""
        for record in log:
            id = f"{record.topic}:{record.partition}:{record.offset}"
            try:
                fact, said = _read(record, self._names, self._policy, newest=1 if id in too_new else None)
            except Unreadable as unreadable:
                self.quarantined[id] = unreadable.reason
                continue
            if fact.event_id not in self._first:
                self._first[fact.event_id] = fact, said
            elif self._first[fact.event_id][1] == said:
                self._duplicates += 1
            else:
                self.quarantined[id] = "conflicting_duplicate"

    def expected(self, redemptions: Iterable[Redemption] = ()) -> Expected:
        """What everything taken so far comes to, folded from the first fact on."""
        facts = sorted(fact for fact, _ in self._first.values())
        holder, identifiers, refused = _groups(facts, self._policy)
        customers = {id: Customer(identifiers=names) for id, names in identifiers.items()}
        own: dict[str, list[Fact]] = defaultdict(list)
        for fact in facts:
            own[holder[fact.names[0].key]].append(fact)
        for id, theirs in own.items():
            _profile(customers[id], theirs)
            _points(customers[id], theirs)
        held = {name.id: holder[name.key] for fact in facts for name in fact.names}
        for redemption in redemptions:
            spender = customers[held[redemption.anchor]]
            spender.redeemed += redemption.points
            spender.balance -= redemption.points
        return Expected(customers, dict(self.quarantined), refused, self._duplicates)


def _read(record: LogRecord, names: Names, policy: IdentityPolicy, newest: int | None) -> tuple[Fact, Any]:
    """``newest``: the newest version that whoever read it knew; None: all."""
    touchpoint, _ = read(record.value, from_millis(record.timestamp))
    if newest is not None and touchpoint.version > newest:
        raise Unreadable("unknown_version", "", "$.version")
    region = policy.region(touchpoint.source)
    usable = {name.key: name for one in touchpoint.identifiers if (name := names.of(one.type, one.value, region))}
    if not usable:
        raise Unreadable("no_usable_identifier", "", "$.identifiers")
    ordered = tuple(sorted(usable.values(), key=lambda name: (policy.rank(name.type), name.key)))
    payload = _in_newest_words(touchpoint.type, msgspec.json.decode(touchpoint.payload))
    moment = touchpoint.original_timestamp or touchpoint.occurred_at
    said = (touchpoint.type, moment, touchpoint.source, sorted(name.key for name in ordered), payload)
    return Fact(touchpoint.occurred_at, touchpoint.event_id, touchpoint.type, touchpoint.source, ordered, payload), said


def _in_newest_words(kind: str, payload: dict[str, Any]) -> dict[str, Any]:
    """Version 1 of a refund, of which the bench's always have an amount, calls it otherwise."""
    return {"total_minor" if name == "amount_minor" else name: value for name, value in payload.items()} if kind == "refund" else payload


# ---- who is who


def _groups(facts: Sequence[Fact], policy: IdentityPolicy) -> tuple[dict[str, str], dict[str, set[str]], set[tuple[str, str]]]:
    """Identifier key → customer id, customer id → identifier keys, and the links that were refused."""
    limits, shared, void = policy.limits or {}, _shared(facts, policy), _void(facts)
    group: dict[str, set[str]] = {}
    named: dict[str, Name] = {}
    first: dict[str, tuple[str, str]] = {}
    refused: set[tuple[str, str]] = set()
    for fact in facts:
        anchor, *others = fact.names
        for name in fact.names:
            group.setdefault(name.key, {name.key})
            named[name.key] = name
            first.setdefault(name.key, (fact.occurred_at, fact.event_id))
        for other in others if fact.type != "link" else ():
            if group[anchor.key] is group[other.key] or (anchor.key, other.key) in void:
                continue
            if anchor.key in shared or other.key in shared or not _within(group[anchor.key] | group[other.key], named, limits):
                refused.add((anchor.key, other.key))
                continue
            together = group[anchor.key] | group[other.key]
            group.update(dict.fromkeys(together, together))
    holder: dict[str, str] = {}
    for members in {id(members): members for members in group.values()}.values():
        eldest = min(members, key=lambda key: (first[key], policy.rank(named[key].type), named[key].value))
        holder.update(dict.fromkeys(members, named[eldest].id))
    customers: dict[str, set[str]] = defaultdict(set)
    for key, customer in holder.items():
        customers[customer].add(key)
    return holder, customers, refused


def _shared(facts: Iterable[Fact], policy: IdentityPolicy) -> set[str]:
    """Identifiers that stood beside more stronger anchors than a person has."""
    partners: dict[str, set[str]] = defaultdict(set)
    for fact in facts:
        anchor, *others = fact.names
        for other in others if fact.type != "link" else ():
            if policy.rank(anchor.type) < policy.rank(other.type):
                partners[other.key].add(anchor.key)
    return {key for key, anchors in partners.items() if len(anchors) > policy.partner_limit}


def _void(facts: Iterable[Fact]) -> set[tuple[str, str]]:
    """Links that a person took back, by the latest decision on each; facts in fact order."""
    decided = {(fact.names[0].key, other.key): fact.payload["step"] for fact in facts if fact.type == "link" for other in fact.names[1:]}
    return {pair for pair, step in decided.items() if step == "voided"}


def _within(keys: Iterable[str], named: Mapping[str, Name], limits: Mapping[str, int]) -> bool:
    counts = Counter(named[key].type for key in keys)
    return all(counts[kind] <= most for kind, most in limits.items())


# ---- what they did


def _profile(customer: Customer, facts: Sequence[Fact]) -> None:
    refunds: set[str] = set()
    for fact in facts:
        customer.events.add(fact.event_id)
        if fact.type == "purchase":
            customer.orders += 1
            customer.net[fact.payload["currency"]] += fact.payload["total_minor"]
        elif fact.type == "refund" and fact.payload["refund_id"] not in refunds:
            refunds.add(fact.payload["refund_id"])
            customer.net[fact.payload["currency"]] -= fact.payload["total_minor"]
        elif fact.type == "identify":
            customer.traits |= fact.payload["traits"]
    bought = {fact.payload["currency"] for fact in facts if fact.type == "purchase"}
    customer.net = Counter({currency: minor for currency, minor in customer.net.items() if currency in bought})
    customer.traits = {name: value for name, value in customer.traits.items() if value is not None}


@dataclass
class _Order:
    """``shares``: points of each entry that the order earned, and whether they count towards the tier."""

    total: int
    shares: list[tuple[int, bool]]
    refunded: int = 0
    refund_ids: set[str] = field(default_factory=set)
    taken: list[int] = field(default_factory=list)


def _points(customer: Customer, facts: Iterable[Fact]) -> None:
    """One point a euro, more in higher tiers, fifty for the first order; refunds take back their part of each entry."""
    orders: dict[str, _Order] = {}
    waiting: dict[str, list[Fact]] = defaultdict(list)
    level = qualifying = 0
    opened = False
    for fact in facts:
        if fact.type not in ("purchase", "refund"):
            continue
        opened = True
        if fact.type == "refund" and fact.payload["order_id"] not in orders:
            waiting[fact.payload["order_id"]].append(fact)
            continue
        if fact.type == "purchase":
            base = Fraction(fact.payload["total_minor"], 100)
            shares = [(int(base), True), (int(base * (LEVELS[level][2] - 1)), True), (0 if orders else WELCOME_POINTS, False)]
            order = orders[fact.payload["order_id"]] = _Order(fact.payload["total_minor"], shares, taken=[0, 0, 0])
            qualifying += shares[0][0] + shares[1][0]
            level = max(level, *(place for place, (_, threshold, _) in enumerate(LEVELS) if threshold <= qualifying))
            refunds = waiting.pop(fact.payload["order_id"], [])
        else:
            order, refunds = orders[fact.payload["order_id"]], [fact]
        for refund in refunds:
            qualifying -= _give_back(order, refund)
    customer.balance = sum(points for order in orders.values() for points, _ in order.shares)
    customer.balance -= sum(points for order in orders.values() for points in order.taken)
    customer.tier = LEVELS[level][0] if opened else ""


def _give_back(order: _Order, refund: Fact) -> int:
    """What no longer counts towards the tier."""
    if refund.payload["refund_id"] in order.refund_ids:
        return 0
    order.refund_ids.add(refund.payload["refund_id"])
    order.refunded += refund.payload["total_minor"]
    part = min(Fraction(1), Fraction(order.refunded, order.total))
    due = [int(points * part) for points, _ in order.shares]
    lost = sum(now - before for now, before, (_, counts) in zip(due, order.taken, order.shares, strict=True) if counts)
    order.taken = due
    return lost
