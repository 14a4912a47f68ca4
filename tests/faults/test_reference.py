"""The reference decides what is right, so it is checked by hand; and the checks of order must see what they are for."""

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from services.chaos.order import Order
from services.chaos.reference import Expected, LogRecord, Redemption, expected
from services.profile.app import identity_policy
from services.runtime.settings import Settings


def fact(id: str, kind: str, at: str, names: dict[str, str], **payload: Any) -> dict[str, Any]:
    identifiers = [{"type": type, "value": value} for type, value in names.items()]
    return {"event_id": id, "type": kind, "occurred_at": f"{at}T12:00:00Z", "source": "s", "identifiers": identifiers, "payload": payload}


def purchase(id: str, at: str, names: dict[str, str], total: int) -> dict[str, Any]:
    return fact(id, "purchase", at, names, order_id=id, total_minor=total, currency="EUR")


def folded(*facts: dict[str, Any], redemptions: Iterable[Redemption] = (), too_new: Collection[str] = ()) -> Expected:
    log = [LogRecord("touchpoints", 0, offset, 1_800_000_000_000, json.dumps(one).encode()) for offset, one in enumerate(facts)]
    return expected(log, identity_policy(Settings().identity), redemptions, too_new)


def balances(found: Expected) -> list[tuple[int, str]]:
    return sorted((one.balance, one.tier) for one in found.customers.values())


def test_an_order_earns_a_point_a_euro_and_the_first_one_a_welcome() -> None:
    found = folded(purchase("a", "2026-01-01", {"email": "a@b.de"}, 1_099), purchase("b", "2026-01-02", {"email": "A@b.de"}, 250))
    assert balances(found) == [(10 + 2 + 50, "member")]


def test_a_higher_tier_earns_more_from_the_next_order_on_and_a_late_fact_changes_which_that_is() -> None:
    early, late = purchase("a", "2026-01-02", {"email": "a@b.de"}, 10_000), purchase("b", "2026-01-01", {"email": "a@b.de"}, 20_000)
    assert balances(folded(early, late)) == balances(folded(late, early)) == [(200 + 50 + 100 + 25, "silver")]


def test_a_refund_takes_back_its_part_of_every_entry_once_even_when_it_comes_before_its_order() -> None:
    refund = fact("r", "refund", "2026-01-03", {"email": "a@b.de"}, order_id="a", refund_id="R", amount_minor=5_000, currency="EUR")
    again = refund | {"event_id": "r2"}
    bought = purchase("a", "2026-01-01", {"email": "a@b.de"}, 10_000)
    assert balances(folded(again, refund, bought)) == [(50 + 25, "member")]
    assert next(iter(folded(again, refund, bought).customers.values())).net == {"EUR": 5_000}


def test_a_refund_is_the_same_in_both_versions_and_counts_where_it_was_put_back_after_an_upgrade() -> None:
    bought = purchase("a", "2026-01-01", {"email": "a@b.de"}, 10_000)
    before = fact("r", "refund", "2026-01-03", {"email": "a@b.de"}, order_id="a", refund_id="R", amount_minor=5_000, currency="EUR")
    after = before | {"version": 2, "payload": {"order_id": "a", "refund_id": "R", "total_minor": 5_000, "currency": "EUR"}}
    assert balances(folded(bought, before)) == balances(folded(bought, after)) == balances(folded(bought, after, before))
    assert folded(bought, after, before).duplicates == 1
    set_aside = folded(bought, after, too_new=["touchpoints:0:1"])
    assert (balances(set_aside), set_aside.quarantined) == (balances(folded(bought)), {"touchpoints:0:1": "unknown_version"})
    assert balances(folded(bought, after, after, too_new=["touchpoints:0:1"])) == balances(folded(bought, after))


def test_two_customers_who_turn_out_to_be_one_are_welcomed_once() -> None:
    one, other = purchase("a", "2026-01-01", {"email": "a@b.de"}, 1_000), purchase("b", "2026-01-02", {"customer_id": "7"}, 1_000)
    assert balances(folded(one, other)) == [(60, "member"), (60, "member")]
    link = fact("c", "identify", "2026-01-03", {"email": "a@b.de", "customer_id": "7"}, traits={})
    assert balances(folded(one, other, link)) == [(70, "member")]


def test_points_that_were_spent_go_with_the_identifier_that_earned_them() -> None:
    one, other = purchase("a", "2026-01-01", {"email": "a@b.de"}, 1_000), purchase("b", "2026-01-02", {"customer_id": "7"}, 1_000)
    found = folded(one, other)
    spent = [Redemption("r", id, 45) for id, customer in found.customers.items() if "customer_id:7" in customer.identifiers]
    assert balances(folded(one, other, redemptions=spent)) == [(15, "member"), (60, "member")]
    link = fact("c", "identify", "2026-01-03", {"email": "a@b.de", "customer_id": "7"}, traits={})
    assert balances(folded(one, other, link, redemptions=spent)) == [(25, "member")]


def test_a_mail_address_of_a_couple_belongs_to_whoever_came_first() -> None:
    found = folded(
        fact("b", "identify", "2026-01-02", {"customer_id": "2", "email": "we@b.de"}, traits={}),
        fact("a", "identify", "2026-01-01", {"customer_id": "1", "email": "we@b.de"}, traits={}),
    )
    assert sorted(sorted(one.identifiers) for one in found.customers.values()) == [["customer_id:1", "email:we@b.de"], ["customer_id:2"]]
    assert found.refused == {("customer_id:2", "email:we@b.de")}


def test_a_link_that_a_colleague_takes_back_was_never_made_until_it_is_restored() -> None:
    one, other = purchase("a", "2026-01-01", {"email": "a@b.de"}, 1_000), purchase("b", "2026-01-02", {"customer_id": "7"}, 1_000)
    link = fact("c", "identify", "2026-01-03", {"email": "a@b.de", "customer_id": "7"}, traits={})
    void = fact("d", "link", "2026-01-01", {"email": "a@b.de", "customer_id": "7"}, step="voided")
    assert balances(folded(void, one, other, link)) == [(60, "member"), (60, "member")]
    restored = fact("e", "link", "2026-01-04", {"email": "a@b.de", "customer_id": "7"}, step="restored")
    assert balances(folded(restored, void, one, other, link)) == [(70, "member")]


def test_a_telephone_of_an_office_identifies_nobody() -> None:
    calls = [
        fact(f"e{n}", "identify", f"2026-01-{n + 1:02d}", {"email": f"p{n}@b.de", "phone": "+493012345678"}, traits={}) for n in range(11)
    ]
    assert len(folded(*calls[:10]).customers) == 1
    assert len(folded(*calls).customers) == 12


def test_the_first_content_of_an_event_id_wins_and_others_are_refused() -> None:
    first, other = purchase("a", "2026-01-01", {"email": "a@b.de"}, 100), purchase("a", "2026-01-01", {"email": "a@b.de"}, 200)
    found = folded(first, first, other)
    assert (found.duplicates, found.quarantined) == (1, {"touchpoints:0:2": "conflicting_duplicate"})


@dataclass
class Sent:
    """A message of a topic that an outbox fills."""

    offset: int
    id: int
    sequence: int
    value: bytes = b"v"
    key: bytes = b"k"
    partition: int = 0

    @property
    def headers(self) -> list[tuple[str, bytes]]:
        return [("id", b"%d" % self.id), ("sequence", b"%d" % self.sequence)]


def test_repeats_are_counted_and_a_hole_or_two_contents_of_one_id_are_wrong() -> None:
    assert order(Sent(0, 1, 1), Sent(1, 2, 2), Sent(2, 1, 1), Sent(3, 2, 2), Sent(4, 3, 3)) == ([], 2)
    assert "from sequence 1 to 3" in order(Sent(0, 1, 1), Sent(1, 3, 3))[0][0]
    assert "says two things" in order(Sent(0, 1, 1), Sent(1, 1, 1, b"other"))[0][0]


def order(*sent: Sent) -> tuple[list[str], int]:
    """One after the other, as over several checks."""
    order = Order("t")
    for one in sent:
        order.take([one])
    return order.wrong, order.repeats
