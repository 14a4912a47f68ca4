"""A small shop whose figures can be worked out by hand: three customers, of whom one is known by two names."""

from tests.projections.published import Said, Story

ADA, BOB, CYD = "customer_id:1", "customer_id:2", "email:cyd@example.com"
ADA_MAIL = "email:ada@example.com"
MOMENT = "2025-03-05T10:00:00.000000Z"


def at(day: int, hour: int = 10, month: int = 3) -> str:
    return f"2025-{month:02d}-{day:02d}T{hour:02d}:00:00.000000Z"


def order(order_id: str, total: int, quantity: int = 1, currency: str = "EUR") -> dict[str, object]:
    lines = [{"sku": "record", "category": "jazz", "quantity": quantity, "unit_price_minor": total // quantity}]
    return {"order_id": order_id, "total_minor": total, "currency": currency, "lines": lines, "store": "web"}


def chat(conversation: str, direction: str, sentiment: float | None = None) -> dict[str, object]:
    return {"conversation_id": conversation, "direction": direction, "sentiment": sentiment}


def published() -> list[Said]:
    """All that the stages said, in order.

    Ada buys on 5 March as customer 1, writes mails on 6 March that nobody links to her, and is found to be the same person on
    7 March. Bob buys in two currencies, complains, and gives a record back. Cyd only chats.
    """
    story = Story()
    spend = {"orders": 2, "gross_minor": 3000, "refunded_minor": 0, "net_minor": 3000, "average_order_minor": 1500}
    bobs = {"orders": 1, "gross_minor": 500, "refunded_minor": 200, "net_minor": 300, "average_order_minor": 500}
    yen = {"orders": 1, "gross_minor": 700, "refunded_minor": 0, "net_minor": 700, "average_order_minor": 700}
    lot = {"lot_id": "p1:base", "source_event": "p1", "rule": "base", "rule_version": 1, "earned_at": MOMENT, "available_from": MOMENT}
    lot |= {"expires_at": None}
    refund = {"order_id": "o3", "refund_id": "r1", "amount_minor": 200, "currency": "EUR"}
    open_case = {"case_id": "L", "step": "received", "opened_at": at(28), "changed_at": at(28), "category": None, "severity": "low"}
    return [
        story.touchpoint("p1", "purchase", order("o1", 1000, 2), by=ADA, at=at(5), joined=[ADA]),
        story.touchpoint("m1", "email", {"direction": "inbound", "kind": "message", "action": "sent", "conversation_id": "c1"},
                         by=ADA_MAIL, at=at(6), joined=[ADA_MAIL], source="mail"),
        story.snapshot(ADA_MAIL, touchpoints=1),
        story.touchpoint("m2", "email", {"direction": "outbound", "kind": "message", "action": "sent", "conversation_id": "c1"},
                         by=ADA_MAIL, at=at(6, 12), source="mail"),
        *story.merge(ADA, ADA_MAIL, bringing=[ADA_MAIL], cause="l1"),
        story.snapshot(ADA_MAIL, merged_into=ADA),
        story.touchpoint("p2", "purchase", order("o2", 2000), by=ADA, at=at(2, month=4)),
        story.snapshot(ADA, touchpoints=4, orders=2, spend={"EUR": spend}, lifecycle="active", first_order_at=at(5),
                       last_order_at=at(2, month=4), first_seen_at=at(5), last_seen_at=at(2, month=4), responses=1),
        story.grows(ADA, "new", "active"),
        story.touchpoint("p3", "purchase", order("o3", 500), by=BOB, at=at(20), joined=[BOB]),
        story.touchpoint("p4", "purchase", order("o4", 700, currency="JPY"), by=BOB, at=at(20, 11)),
        story.touchpoint("r1", "refund", refund | {"reason": "scratched"}, by=BOB, at=at(25)),
        story.touchpoint("r2", "refund", refund, by=BOB, at=at(26)),
        story.touchpoint("k1", "case", {"case_id": "K", "step": "received", "category": "late", "severity": "high"}, by=BOB, at=at(21)),
        story.touchpoint("k2", "case", {"case_id": "K", "step": "assigned"}, by=BOB, at=at(21, 12)),
        story.touchpoint("k3", "case", {"case_id": "K", "step": "answered"}, by=BOB, at=at(22)),
        story.touchpoint("k4", "case", {"case_id": "K", "step": "archived"}, by=BOB, at=at(23)),
        story.touchpoint("k5", "case", {"case_id": "L", "step": "received", "severity": "low"}, by=BOB, at=at(28)),
        story.touchpoint("s1", "survey", {"kind": "csat", "score": 4, "scale": 5, "expected": 5}, by=BOB, at=at(24)),
        story.touchpoint("s2", "survey", {"kind": "csat", "score": 2, "scale": 5}, by=ADA, at=at(24)),
        story.touchpoint("s3", "survey", {"kind": "csat", "scale": 5}, by=CYD, at=at(24), joined=[CYD]),
        story.touchpoint("s4", "survey", {"kind": "nps", "score": 10, "scale": 10}, by=ADA, at=at(24)),
        story.touchpoint("s5", "survey", {"kind": "nps", "score": 6, "scale": 10}, by=BOB, at=at(24)),
        story.touchpoint("s6", "survey", {"kind": "nps", "score": 8, "scale": 10}, by=CYD, at=at(24)),
        story.snapshot(BOB, touchpoints=11, orders=2, spend={"EUR": bobs, "JPY": yen}, lifecycle="lost", cases=2,
                       first_order_at=at(20), last_order_at=at(20, 11), responses=1, awaiting_response=1,
                       open_cases=[open_case]),
        story.touchpoint("h1", "chat", chat("c2", "inbound", -0.5), by=CYD, at=at(10), source="chat"),
        story.touchpoint("h2", "chat", chat("c2", "inbound", 0.5), by=CYD, at=at(10, 11), source="chat"),
        story.touchpoint("h3", "chat", chat("c3", "outbound"), by=CYD, at=at(11), source="chat"),
        story.snapshot(CYD, touchpoints=5, lifecycle="prospect", awaiting_response=1),
        story.refuse(CYD, CYD, "phone:+441"),
        story.entry(ADA, 10, lot_id="p1:base", source_event="p1", effective_at=at(5)),
        story.entry(ADA, 20, lot_id="p2:base", source_event="p2", balance=30),
        story.entry(BOB, 5),
        story.entry(BOB, -2, "reverse", balance=3, corrects=None),
        story.tier(ADA, None, "silver"),
        story.account(ADA, balance=30, available=20, pending=10, earned=30, tier="silver", next_expiry_at=at(5), next_expiry_points=10,
                      lots=[lot | {"expires_at": at(5), "remaining": 10}, lot | {"lot_id": "p2:base", "remaining": 20}]),
        story.account(BOB, balance=-3, available=0, earned=3, tier="base"),
        story.account(CYD, balance=0),
        story.account_merged(ADA_MAIL, ADA),
        story.account(ADA_MAIL, merged_into=ADA),
        story.quarantined("ingest:1"),
        story.quarantined("ingest:2", "unknown_type"),
        story.decided("ingest:2", "discarded", "d1"),
        story.decided("ingest:2", "redriven", "d2", decided_at=at(9), fix=["remove $.x"], event_id="p9"),
    ]  # fmt: skip
