"""What must hold when the flow is quiet, whatever went wrong before (I1 to I4 and I6; ``quiet`` is I5)."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from clickhouse_driver import Client

from schemas.topics import LOYALTY_ACCOUNTS, LOYALTY_CHANGES, PROFILE_CHANGES, PROFILES, QUARANTINE, TOUCHPOINTS
from services.chaos import rebuilt
from services.chaos.log_reader import LogReader, News
from services.chaos.order import Order
from services.chaos.quiet import client_of
from services.chaos.reference import LEVELS, Customer, Expected, Facts, LogRecord, Redemption
from services.chaos.sender import Promised
from services.chaos.stack import Stack
from services.profile.app import identity_policy
from services.runtime.settings import Settings
from services.runtime.stage import Record

SHOWN = 5
PUBLISHED = (PROFILE_CHANGES, LOYALTY_CHANGES, PROFILES, LOYALTY_ACCOUNTS)
ONE_ROW_EACH: Mapping[str, str] = {
    "touchpoints": "event_id",
    "purchases": "event_id",
    "refunds": "event_id",
    "customers": "customer_id",
    "customer_360": "customer_id",
    "customer_identifiers": "identifier_id",
    "loyalty_ledger": "entry_id",
    "loyalty_accounts": "account_id",
    "redemptions": "redemption_id",
    "quarantine": "quarantine_id",
}
"""View → what must be unique in it."""


class Check:
    """Of one stack: collects what is wrong; ``figures`` say how much was looked at. Each time it reads what the log has got since, and
    compares all that it holds: the reference and the folds of I6 begin at offset 0, and go on from where they were."""

    def __init__(self, stack: Stack, log: LogReader, promised: Promised) -> None:
        self._stack, self._log, self._promised = stack, log, promised
        self._facts = Facts(identity_policy(Settings().identity))
        self._touchpoints = 0
        self._too_new: set[str] = set()
        self._accepted: dict[str, Redemption] = {}
        self._order = {topic: Order(topic) for topic in (PROFILE_CHANGES.name, LOYALTY_CHANGES.name)}
        self._subscribers = {topic: rebuilt.Subscriber() for topic in self._order}
        self._latest = {topic: rebuilt.Latest() for topic in (PROFILES.name, LOYALTY_ACCOUNTS.name)}
        self._profiles, self._accounts = rebuilt.profiles(), rebuilt.accounts()
        self.wrong: list[str] = []
        self.figures: dict[str, int] = {}

    def run(self) -> "Check":
        """All invariants. The flow must be quiet."""
        self.wrong, self.figures = [], {}
        news = self._log.news([topic.name for topic in (TOUCHPOINTS, QUARANTINE, *PUBLISHED)])
        fresh = {topic: subscriber.fresh(news[topic]) for topic, subscriber in self._subscribers.items()}
        redemptions = rebuilt.redemptions_in(fresh[LOYALTY_CHANGES.name])
        self._take_touchpoints(news)
        self._take_redemptions(redemptions)
        reference = self._facts.expected(self._accepted.values())
        client = client_of(self._stack)
        self._nothing_lost(client, reference)
        self._nothing_twice(client)
        self._customers(client, reference)
        self._points(client, reference)
        self._published(news)
        self._rebuilt("profiles", self._profiles.living(news[TOUCHPOINTS.name]), self._latest[PROFILES.name].living(news[PROFILES.name]))
        again = self._accounts.living([*fresh[PROFILE_CHANGES.name], *redemptions])
        self._rebuilt("accounts", again, self._latest[LOYALTY_ACCOUNTS.name].living(news[LOYALTY_ACCOUNTS.name]))
        self.figures |= {
            "touchpoints in the log": self._touchpoints,
            "counted": sum(len(one.events) for one in reference.customers.values()),
            "duplicates dropped": reference.duplicates,
            "customers": len(reference.customers),
            "links refused": len(reference.refused),
            "redemptions": len(self._accepted),
        }
        return self

    def _take_touchpoints(self, news: News) -> None:
        """What a profile process of the former release set aside counts only where it was put back."""
        refused = [json.loads(record.value or b"") for record in news[QUARANTINE.name]]
        self._too_new |= {one["quarantine_id"] for one in refused if one.get("stage") == "profile" and one["reason"] == "unknown_version"}
        touchpoints = news[TOUCHPOINTS.name]
        self._touchpoints += len(touchpoints)
        self._facts.take(
            (LogRecord(one.topic, one.partition, one.offset, one.timestamp, one.value or b"") for one in touchpoints), self._too_new
        )

    def _take_redemptions(self, redemptions: Sequence[Record]) -> None:
        """I2: each accepted once, however often it was asked or published."""
        for record in redemptions:
            said = json.loads(record.value or b"")
            if said["redemption_id"] in self._accepted:
                self.wrong.append(f"I2: the redemption {said['redemption_id']} was accepted twice")
            self._accepted[said["redemption_id"]] = Redemption(said["redemption_id"], said["anchor"], said["points"])

    def _nothing_lost(self, client: Client, reference: Expected) -> None:
        """I1."""
        applied = {event for customer in reference.customers.values() for event in customer.events}
        shown = {event for (event,) in client.execute("SELECT event_id FROM rapport.touchpoints")}
        self._same("I1: touchpoints that the log has", applied, shown)
        rows = client.execute("SELECT quarantine_id, reason, stage, event_id, state FROM rapport.quarantine")
        refused = {id: reason for id, reason, stage, *_ in rows if stage == "profile"}
        self._same("I1: what the profile stage refused", reference.quarantined, refused)
        ids, named = {row[0] for row in rows}, {row[3] for row in rows}
        self._none("I1: answered 200, and neither counted nor in quarantine", self._promised.events - shown - named)
        self._none("I1: refused with 200, and not in quarantine", self._promised.refused - ids)
        waiting = [(id, reason, event) for id, reason, _, event, state in rows if state == "waiting"]
        twice = shown & {event for _, reason, event in waiting if reason != "conflicting_duplicate"}
        self._none("I1: counted and in quarantine", twice)
        self._none("I1: not put back after the upgrade", {id for id, reason, _ in waiting if reason == "unknown_version"})
        self.figures["in quarantine"] = len(rows)

    def _nothing_twice(self, client: Client) -> None:
        """I2."""
        for view, key in ONE_ROW_EACH.items():
            ((rows, distinct),) = client.execute(f"SELECT count(), uniqExact({key}) FROM rapport.{view}")
            if rows != distinct:
                self.wrong.append(f"I2: rapport.{view} has {rows} rows, {distinct} different {key}")

    def _customers(self, client: Client, reference: Expected) -> None:
        """Who is who, what is whose, and what it adds up to."""
        owners: dict[str, set[str]] = {}
        for event, customer in client.execute("SELECT event_id, toString(customer_id) FROM rapport.touchpoints"):
            owners.setdefault(customer, set()).add(event)
        self._same("I3: whose touchpoints", {id: one.events for id, one in reference.customers.items() if one.events}, owners)
        rows = client.execute(
            "SELECT toString(customer_id), identifiers, net_minor_by_currency, orders, touchpoints FROM rapport.customers"
        )
        shown = {id: (set(names), dict(net), orders, count) for id, names, net, orders, count in rows}
        self._same("I3: customers", {id: _as_shown(one) for id, one in reference.customers.items()}, shown)
        self.figures["customers shown"] = len(rows)

    def _points(self, client: Client, reference: Expected) -> None:
        """I3."""
        rows = client.execute("SELECT toString(account_id), balance, redeemed, tier FROM rapport.loyalty_accounts")
        told = {id: (one.balance, one.redeemed, one.tier) for id, one in reference.customers.items() if one.tier}
        emptied = (0, 0, LEVELS[0][0])  # opened by facts that turned out to be somebody else's: stays, with its history
        shown = {id: tuple(account) for id, *account in rows if id in told or tuple(account) != emptied}
        self._same("I3: accounts", told, shown)
        sums = dict(client.execute("SELECT toString(account_id), sum(amount) FROM rapport.loyalty_ledger GROUP BY account_id"))
        self._same("I3: the ledger's sums", {id: b for id, (b, *_) in told.items() if b}, {id: s for id, s in sums.items() if s})
        ((entries,),) = client.execute("SELECT count() FROM rapport.loyalty_ledger")
        self.figures["ledger entries"] = entries

    def _published(self, news: News) -> None:
        """I4."""
        for topic, order in self._order.items():
            order.take(news[topic])
            self.wrong += [f"I4: {one}" for one in order.wrong[:SHOWN]]
            self.figures[f"{topic}: messages"], self.figures[f"{topic}: repeated"] = order.messages, order.repeats

    def _rebuilt(self, what: str, again: rebuilt.Living, live: rebuilt.Living) -> None:
        """I6."""
        if what == "accounts":
            live, again = ({id: one for id, one in side.items() if one.get("lots")} for side in (live, again))
        self._same(f"I6: {what} built again from offset 0", again, live)

    # ---- saying what differs

    def _same(self, what: str, should: Any, found: Any) -> None:
        if should == found:
            return
        missing, extra = _some(set(should) - set(found)), _some(set(found) - set(should))
        if missing:
            self.wrong.append(f"{what}: missing {missing}")
        if extra:
            self.wrong.append(f"{what}: too many {extra}")
        if isinstance(should, dict):
            other = [key for key in should.keys() & found.keys() if should[key] != found[key]]
            self.wrong += [f"{what}: {key} is {_differing(found[key], should[key])}" for key in sorted(other)[:SHOWN]]

    def _none(self, what: str, found: set[str]) -> None:
        if found:
            self.wrong.append(f"{what}: {_some(found)}")


def _as_shown(one: Customer) -> tuple[set[str], dict[str, int], int, int]:
    return one.identifiers, dict(one.net), one.orders, len(one.events)


def _some(found: set[str]) -> str:
    return f"{len(found)}, such as {sorted(found)[:SHOWN]}" if found else ""


def _differing(found: Any, should: Any) -> str:
    if isinstance(found, dict) and isinstance(should, dict):
        names = [name for name in {**found, **should} if found.get(name) != should.get(name)]
        return "; ".join(f"{name} {found.get(name)!r}, should be {should.get(name)!r}" for name in names)
    return f"{found!r}, should be {should!r}"
