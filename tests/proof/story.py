"""A short log in which everything happens once."""

from tests.profile.touchpoints import touchpoint

LINES = [{"sku": "a", "category": "x", "quantity": 2}]
STORY = (
    touchpoint(
        "e1", "customer_id:1", "email:ada@example.org", type="purchase", order_id="o1", total_minor=5_000, currency="EUR", lines=LINES
    ),
    touchpoint("e2", "email:ada@example.org", hour=1, type="identify", traits={"city": "Leeds", "birthday": "1980-02-29"}),
    touchpoint("e3", "customer_id:2", hour=2, type="purchase", order_id="o2", total_minor=900, currency="EUR"),
    touchpoint("e4", "customer_id:2", hour=3, type="refund", order_id="o2", refund_id="r1", amount_minor=400, currency="EUR"),
    touchpoint("e5", "anonymous_id:x", hour=4, type="visit", place="page", name="home"),
    touchpoint("e6", "customer_id:1", "anonymous_id:x", hour=5, type="survey", kind="csat", score=4, scale=5),
    touchpoint("e7", "customer_id:1", hour=6, type="case", case_id="k1", step="received"),
    touchpoint("e8", "customer_id:2", hour=7, type="chat", conversation_id="c1", direction="inbound", sentiment=-0.2),
    touchpoint("e9", "customer_id:2", "anonymous_id:x", hour=7, type="link", step="voided"),
    touchpoint("e1", "customer_id:9", hour=8, name="the same event_id, said otherwise"),
)
"""Two customers: a merge, a refund, a complaint, a conversation, a decision on a link, a conflicting repeat."""

REGULAR = tuple(
    touchpoint(f"regular{day}", "customer_id:7", hour=24 * day, type="purchase", order_id=f"r{day}", total_minor=2_000, currency="EUR")
    for day in range(12)
)
"""A customer with more lots than are stored with an account."""
