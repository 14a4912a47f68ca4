"""The loyalty rules once more, as a plain sequential fold without any cleverness: what the stage must come to.

It shares nothing with services/loyalty but the programme's models. Facts are dictionaries as a test writes them; time is
datetime, points of a share are fractions, nothing is ever dropped from a list, and everything is looked up by walking.
"""

import math
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

from services.loyalty.programme import Programme, Rule

FAR = datetime(9999, 12, 31, tzinfo=UTC)
Facts = list[dict[str, Any]]


class Reference:
    def __init__(self, programme: Programme) -> None:
        self.programme = programme
        self.lots: list[dict[str, Any]] = []
        self.earned = self.expired = self.redeemed = self.adjusted = 0
        self.purchases: list[dict[str, Any]] = []
        self.unknown_refunds: list[dict[str, Any]] = []
        self.contributions: list[dict[str, Any]] = []
        self.tier: dict[str, Any] | None = None
        self.birthday: dict[str, Any] | None = None
        self.kept_year = 0
        self.rewarded: dict[str, datetime] = {}

    @property
    def balance(self) -> int:
        return sum(lot["left"] for lot in self.lots)

    def run(self, facts: Facts, until: datetime) -> "Reference":
        for fact in sorted(facts, key=lambda fact: (fact["at"], fact["event_id"])):
            self.pass_time(fact["at"])
            if self.tier is None:
                self.tier = {"level": 0, "until": None, "grace": False, "since": fact["at"]}
            getattr(self, fact["type"])(fact)
            self.settle()
        self.pass_time(until)
        return self

    # ---- time

    def pass_time(self, to: datetime) -> None:
        while True:
            happenings: list[tuple[datetime, int, Any]] = []
            for lot in self.lots:
                if lot["left"] > 0 and lot["expires"] < FAR:
                    happenings.append((lot["expires"], 0, (lot["earned_at"], lot["id"])))
            if self.tier and self.tier["until"]:
                happenings.append((self.tier["until"], 1, None))
            if self.birthday:
                happenings.append((self.birthday["next"], 2, None))
            if not happenings or min(happenings)[0] > to:
                return
            at, kind, what = min(happenings)
            if kind == 0:
                lot = next(lot for lot in self.lots if lot["id"] == what[1])
                self.expired += lot["left"]
                lot["gone"], lot["left"] = lot["left"], 0
            elif kind == 1:
                self.review(at)
            else:
                self.celebrate(at)

    def review(self, at: datetime) -> None:
        assert self.tier is not None
        tiers = self.programme.tiers
        assert tiers is not None
        reached = self.reached(at)
        if reached >= self.tier["level"]:
            self.tier |= {"grace": False, "until": at + timedelta(days=tiers.period_days)}
        elif tiers.grace_days and not self.tier["grace"]:
            self.tier |= {"grace": True, "until": at + timedelta(days=tiers.grace_days)}
        else:
            until = at + timedelta(days=tiers.period_days) if reached else None
            self.tier = {"level": reached, "grace": False, "until": until, "since": at}

    def qualifying(self, at: datetime) -> int:
        assert self.programme.tiers is not None
        days = self.programme.tiers.window_days
        return sum(one["amount"] for one in self.contributions if 0 <= (at.date() - one["at"].date()).days < days)

    def reached(self, at: datetime) -> int:
        assert self.programme.tiers is not None
        levels = self.programme.tiers.levels
        return max(index for index, level in enumerate(levels) if level.threshold <= self.qualifying(at))

    def look_at_tier(self, at: datetime) -> None:
        tiers = self.programme.tiers
        if tiers is None or self.tier is None:
            return
        reached = self.reached(at)
        until = at + timedelta(days=tiers.period_days)
        if reached > self.tier["level"]:
            self.tier = {"level": reached, "grace": False, "until": until, "since": at}
        elif self.tier["grace"] and reached == self.tier["level"]:
            self.tier |= {"grace": False, "until": until}

    def celebrate(self, at: datetime) -> None:
        assert self.birthday is not None
        source, self.kept_year = self.birthday["source"], at.year
        self.birthday["next"] = birthday(at.year + 1, self.birthday["day"])
        for bonus in self.programme.bonuses:
            if bonus.on == "birthday" and holds(bonus, at) and (self.purchases or not bonus.after_purchase):
                self.add_lot(bonus, f"{source}:{bonus.id}:{at.year}", bonus.points, at)
                self.look_at_tier(at)
        self.settle()

    # ---- facts

    def purchase(self, fact: dict[str, Any]) -> None:
        at, first = fact["at"], not self.purchases
        order: dict[str, Any] = {"fact": fact, "shares": [], "refund_ids": set(), "refunds": []}
        self.purchases.append(order)
        lines = fact["lines"]
        skip = self.programme.exclude
        kept = [i for i, line in enumerate(lines) if line["category"] not in skip.categories]
        money = Fraction(fact["total"] - (fact["tax"] if skip.tax else 0) - (fact["shipping"] if skip.shipping else 0))
        money = Fraction(0) if fact["source"] in skip.sources else max(Fraction(0), money)
        base = Fraction(0)
        for rule in self.programme.earn:
            if rule.currency == fact["currency"] and holds(rule, at):
                base += rule.rate
                self.gain(order, rule, rule.id, money * portion(fact, kept) * rule.rate, kept)
        for more in self.programme.multipliers:
            if holds(more, at) and (not more.sources or fact["source"] in more.sources):
                some = [i for i in kept if not more.categories or lines[i]["category"] in more.categories]
                part = portion(fact, some) if lines else Fraction(0 if more.categories else 1)
                self.gain(order, more, more.id, money * part * base * (more.factor - 1), some)
        tiers = self.programme.tiers
        if tiers is not None:
            assert self.tier is not None
            level = tiers.levels[self.tier["level"]]
            if holds(level, at):
                self.gain(order, level, f"tier-{level.id}", money * portion(fact, kept) * base * (level.factor - 1), kept)
        for bonus in self.programme.bonuses:
            if bonus.on == "first_purchase" and first and holds(bonus, at):
                self.gain(order, bonus, bonus.id, Fraction(bonus.points), [])
        if tiers is not None and tiers.by == "spend" and tiers.currency == fact["currency"]:
            spend = self.rounded(money * portion(fact, kept))
            one = {"at": at, "amount": spend}
            self.contributions.append(one)
            order["shares"].append({"lot": None, "amount": spend, "lines": kept, "counts": one, "taken": 0})
        self.look_at_tier(at)
        waiting = [refund for refund in self.unknown_refunds if refund["order_id"] == fact["order_id"]]
        self.unknown_refunds = [refund for refund in self.unknown_refunds if refund not in waiting]
        self.settle()
        for refund in waiting:
            self.give_back(order, refund, at)
            self.settle()

    def gain(self, order: dict[str, Any], rule: Rule, name: str, exact: Fraction, lines: list[int]) -> None:
        points, fact = self.rounded(exact), order["fact"]
        if points:
            lot, counts = self.add_lot(rule, f"{fact['event_id']}:{name}", points, fact["at"])
            order["shares"].append({"lot": lot, "amount": points, "lines": lines, "counts": counts, "taken": 0})

    def add_lot(self, rule: Rule, id: str, points: int, at: datetime) -> tuple[dict[str, Any], dict[str, Any] | None]:
        expires = FAR if rule.expire_after_days is None else at + timedelta(days=rule.expire_after_days)
        available = at + timedelta(days=rule.available_after_days)
        lot = {
            "id": id,
            "earned_at": at,
            "amount": points,
            "left": points,
            "gone": 0,
            "expires": expires,
            "available": available,
            "back": 0,
        }
        self.lots.append(lot)
        self.earned += points
        one = None
        if rule.qualifies and self.programme.tiers is not None and self.programme.tiers.by == "points":
            one = {"at": at, "amount": points}
            self.contributions.append(one)
        return lot, one

    def refund(self, fact: dict[str, Any]) -> None:
        orders = [order for order in self.purchases if order["fact"]["order_id"] == fact["order_id"]]
        if orders:
            self.give_back(orders[-1], fact, fact["at"])
        else:
            self.unknown_refunds.append(fact)

    def give_back(self, order: dict[str, Any], refund: dict[str, Any], at: datetime) -> None:
        if refund["currency"] != order["fact"]["currency"] or refund["refund_id"] in order["refund_ids"]:
            return
        order["refund_ids"].add(refund["refund_id"])
        order["refunds"].append(refund)
        for share in order["shares"]:
            due = math.floor(share["amount"] * part_given_back(order, share["lines"])) - share["taken"]
            share["taken"] += due
            if share["counts"] is not None:
                share["counts"]["amount"] -= due
            if share["lot"] is not None:
                lot = share["lot"]
                possible = lot["amount"] - lot["gone"] - lot["back"]
                due = min(due, possible)
                lot["back"] += due
                self.earned -= due
                was_there = max(0, lot["left"])
                lot["left"] -= due
                if lot["left"] < 0 and due > was_there:
                    lot.setdefault("owed_since", at)

    def survey(self, fact: dict[str, Any]) -> None:
        for bonus in self.programme.bonuses:
            if bonus.on != "survey" or not holds(bonus, fact["at"]) or (bonus.after_purchase and not self.purchases):
                continue
            last = self.rewarded.get(bonus.id)
            if bonus.at_most_every_days and last and fact["at"] < last + timedelta(days=bonus.at_most_every_days):
                continue
            self.rewarded[bonus.id] = fact["at"]
            self.add_lot(bonus, f"{fact['event_id']}:{bonus.id}", bonus.points, fact["at"])
        self.look_at_tier(fact["at"])

    def identify(self, fact: dict[str, Any]) -> None:
        if not any(bonus.on == "birthday" for bonus in self.programme.bonuses):
            return
        if fact["birthday"] is None:
            self.birthday, self.told = None, None
        elif self.birthday is None or self.birthday["day"] != fact["birthday"]:
            year = fact["at"].year
            while birthday(year, fact["birthday"]) <= fact["at"] or year == self.kept_year:
                year += 1
            self.birthday = {"day": fact["birthday"], "source": fact["event_id"], "next": birthday(year, fact["birthday"])}

    def redemption(self, fact: dict[str, Any]) -> None:
        self.redeemed += fact["points"]
        self.use(fact["points"], fact, "redeem")

    def adjustment(self, fact: dict[str, Any]) -> None:
        self.adjusted += fact["points"]
        if fact["points"] < 0:
            self.use(-fact["points"], fact, "adjust")
        else:
            id, at, points = f"{fact['event_id']}:adjust", fact["at"], fact["points"]
            self.lots.append({"id": id, "earned_at": at, "amount": points, "left": points, "gone": 0, "expires": FAR, "available": at})

    def use(self, points: int, fact: dict[str, Any], name: str) -> None:
        for lot in sorted(self.lots, key=lambda lot: (lot["expires"], lot["earned_at"], lot["id"])):
            if lot["left"] > 0 and lot["available"] <= fact["at"]:
                part = min(points, lot["left"])
                lot["left"] -= part
                points -= part
        if points:
            self.lots.append(
                {"id": f"{fact['event_id']}:{name}", "left": -points, "owed_since": fact["at"], "expires": FAR, "earned_at": FAR}
            )

    def settle(self) -> None:
        while True:
            there = [lot for lot in self.lots if lot["left"] > 0]
            owed = [lot for lot in self.lots if lot["left"] < 0]
            if not there or not owed:
                return
            lot = min(there, key=lambda lot: (lot["expires"], lot["earned_at"], lot["id"]))
            debt = min(owed, key=lambda debt: (debt["owed_since"], debt["id"]))
            part = min(lot["left"], -debt["left"])
            lot["left"] -= part
            debt["left"] += part
            if debt["left"] == 0:
                debt.pop("owed_since")

    def rounded(self, exact: Fraction) -> int:
        if self.programme.rounding == "half_up":
            return math.floor(exact + Fraction(1, 2))
        return math.ceil(exact) if self.programme.rounding == "up" else math.floor(exact)


def holds(rule: Rule, at: datetime) -> bool:
    return rule.since <= at.strftime("%Y-%m-%d") and not at.strftime("%Y-%m-%d") >= rule.until[:10]


def birthday(year: int, day: str) -> datetime:
    try:
        return datetime.strptime(f"{year}-{day}", "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        return datetime(year, 2, 28, tzinfo=UTC)


def weights(lines: list[dict[str, Any]]) -> list[int]:
    if all(line["price"] is not None for line in lines) and any(line["price"] for line in lines):
        return [line["price"] * line["quantity"] for line in lines]
    return [line["quantity"] for line in lines]


def portion(fact: dict[str, Any], lines: list[int]) -> Fraction:
    every = weights(fact["lines"])
    return Fraction(sum(every[i] for i in lines), sum(every)) if every else Fraction(1)


def part_given_back(order: dict[str, Any], lines: list[int]) -> Fraction:
    purchase, money, at_large = order["fact"], 0, 0
    by_line = [0] * len(purchase["lines"])
    every = weights(purchase["lines"])
    paid = []
    for line, weight in zip(purchase["lines"], every, strict=True):
        share = math.floor(Fraction(max(0, purchase["total"] - purchase["shipping"]) * weight, sum(every)))
        paid.append(share if line["price"] is None else min(share, line["price"] * line["quantity"]))
    touched = set()
    for refund in order["refunds"]:
        money += refund["amount"]
        if not refund["lines"]:
            at_large += refund["amount"]
        for line in refund["lines"]:
            amount, of_sku = line["amount"], [i for i, one in enumerate(purchase["lines"]) if one["sku"] == line["sku"]]
            for i in of_sku:
                touched.add(i)
                part = min(amount, paid[i] - by_line[i])
                by_line[i] += part
                amount -= part
            if not of_sku:
                at_large += amount
    if money >= purchase["total"]:
        return Fraction(1)
    if not lines:
        return Fraction(money, purchase["total"])
    back = sum(
        (Fraction(every[i]) * (Fraction(by_line[i], paid[i]) if paid[i] else (1 if i in touched else 0)) for i in lines), Fraction(0)
    )
    whole = sum(every[i] for i in lines)
    return min(Fraction(1), (back / whole if whole else 0) + Fraction(at_large, purchase["total"]))
