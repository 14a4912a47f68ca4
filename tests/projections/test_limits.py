"""Whatever is accepted can be stored and read: no value, however large, stops the stage or an analyst's query."""

import json
from datetime import datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import inspect as look

from schemas import topics
from schemas.touchpoints import NEWEST
from services.projections import messages
from tests.projections.conftest import Analyst
from tests.projections.published import Said, Story

GREATEST_MONEY = 10**15
VIEWS = (
    "touchpoints", "purchases", "purchase_lines", "refunds", "cases", "surveys", "conversations", "customers", "customer_360", "rfm",
    "lifecycle", "cohort_retention", "channel_mix", "daily_activity", "daily_revenue", "satisfaction", "response_times", "case_ageing",
    "repeat_purchase", "customer_identifiers", "customer_changes", "loyalty_accounts", "loyalty_ledger", "loyalty_changes",
    "loyalty_liability", "quarantine",
)  # fmt: skip


def every_view_answers(analyst: Analyst) -> None:
    for view in VIEWS:
        analyst.ask(f"SELECT * FROM rapport.{view}")


@pytest.mark.parametrize("currency", ["EUR", "JPY", "KWD", "CLF"])
def test_the_greatest_amounts_that_a_shop_can_send(analyst: Analyst, currency: str) -> None:
    story = Story()
    line = {"sku": "s", "quantity": 10**6, "unit_price_minor": GREATEST_MONEY}
    order = {
        "order_id": "o",
        "total_minor": GREATEST_MONEY,
        "tax_minor": GREATEST_MONEY,
        "shipping_minor": GREATEST_MONEY,
        "currency": currency,
    }
    back = {"order_id": "o", "refund_id": "r", "currency": currency, "lines": [{"sku": "s", "amount_minor": GREATEST_MONEY}] * 500}

    analyst.deliver(story.touchpoint("p", "purchase", {**order, "lines": [line] * 500}), story.touchpoint("r", "refund", back))

    every_view_answers(analyst)
    assert analyst.ask("SELECT total_minor FROM rapport.purchases") == [(GREATEST_MONEY,)]
    assert analyst.ask("SELECT amount_minor FROM rapport.refunds") == [(500 * GREATEST_MONEY,)]
    assert analyst.ask("SELECT max(amount_minor) FROM rapport.purchase_lines") == [(10**6 * GREATEST_MONEY,)]


def test_sums_as_large_as_a_column_holds(analyst: Analyst) -> None:
    most = 2**63 - 1
    spend = {"orders": most, "gross_minor": most, "refunded_minor": -most, "net_minor": most, "average_order_minor": most}
    story = Story()

    analyst.deliver(
        story.snapshot("customer_id:1", touchpoints=most, orders=most, spend={"JPY": spend}),
        story.account("customer_id:1", balance=most, available=-most - 1),
        story.entry("customer_id:1", most),
    )

    every_view_answers(analyst)
    assert analyst.ask("SELECT gross, net_minor FROM rapport.customers") == [(most, most)]


def test_touchpoints_of_two_centuries_in_one_batch(analyst: Analyst) -> None:
    story = Story()
    years = range(1901, 2200, 2)

    analyst.deliver(*[story.touchpoint(f"e{year}", at=f"{year}-06-01T00:00:00.000000Z") for year in years])

    every_view_answers(analyst)
    assert analyst.ask("SELECT count(), min(toYear(occurred_at)), max(toYear(occurred_at)) FROM rapport.touchpoints") == [
        (len(years), 1901, 2199)
    ]


def _json_of(kind: Any) -> st.SearchStrategy[Any]:
    """Values of a struct's fields at their limits, as JSON has them."""
    if isinstance(kind, look.IntType):
        low, high = kind.ge if kind.ge is not None else -(2**70), kind.le if kind.le is not None else 2**70
        return st.sampled_from([low, high, 0 if low <= 0 <= high else low])
    if isinstance(kind, look.FloatType):
        return st.sampled_from([kind.ge if kind.ge is not None else -1e300, kind.le if kind.le is not None else 1e300, 0.5])
    if isinstance(kind, look.DateTimeType):
        return st.datetimes(min_value=datetime(1, 1, 3), max_value=datetime(9999, 12, 29)).map(
            lambda t: f"{t.isoformat(timespec='microseconds')}Z"
        )
    if isinstance(kind, look.UUIDType):
        return st.uuids().map(str)
    if isinstance(kind, look.StrType):
        return st.text(st.characters(codec="utf-8"), max_size=5)
    if isinstance(kind, look.BoolType):
        return st.booleans()
    if isinstance(kind, look.RawType | look.AnyType):
        return st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=3), st.integers(-5, 5), max_size=2)
    if isinstance(kind, look.ListType):
        return st.lists(_json_of(kind.item_type), max_size=2)
    if isinstance(kind, look.DictType):
        return st.dictionaries(_json_of(kind.key_type), _json_of(kind.value_type), max_size=2)
    if isinstance(kind, look.UnionType):
        return st.one_of([_json_of(one) for one in kind.types])
    if isinstance(kind, look.NoneType):
        return st.none()
    assert isinstance(kind, look.StructType), kind
    return st.fixed_dictionaries({field.encode_name: _json_of(field.type) for field in kind.fields})


_EVENTS = {
    "touchpoint_applied": messages.TouchpointApplied,
    "customers_merged": messages.CustomersMerged,
    "customer_merged_into": messages.CustomerMergedInto,
    "identifiers_joined": messages.IdentifiersJoined,
    "identifiers_left": messages.IdentifiersLeft,
    "link_refused": messages.LinkRefused,
    "lifecycle_changed": messages.LifecycleChanged,
}
_LOYALTY = {"entry_posted": messages.EntryPosted, "tier_changed": messages.TierChanged, "account_merged_into": messages.AccountMergedInto}
_PAYLOADS = {
    "call": messages.Talk,
    "social": messages.Social,
    "purchase": messages.Purchase,
    "refund": messages.Refund,
    "case": messages.CaseStep,
    "survey": messages.Survey,
}


def _value(struct: Any) -> st.SearchStrategy[Any]:
    return _json_of(look.type_info(struct))


@st.composite
def _touchpoints(draw: st.DrawFn) -> Any:
    event = draw(_value(messages.TouchpointApplied))
    kind = draw(st.sampled_from(sorted(_PAYLOADS)))
    version = draw(st.sampled_from([0, 1, NEWEST[kind]]))  # for a newer one projections wait
    event["touchpoint"] |= {"type": kind, "version": version, "payload": draw(_value(_PAYLOADS[kind]))}
    return event


@st.composite
def _anything(draw: st.DrawFn) -> Said:
    """A message of ours whose every field is at one of its limits."""
    topic, kinds = draw(st.sampled_from([(topics.PROFILE_CHANGES.name, _EVENTS), (topics.LOYALTY_CHANGES.name, _LOYALTY), ("", {})]))
    id = draw(st.sampled_from([b"0", b"1", b"%d" % (10**19 - 1)]))
    if kinds:
        kind = draw(st.sampled_from(sorted(kinds)))
        value = draw(_touchpoints() if kind == "touchpoint_applied" else _value(kinds[kind]))
        return Said(topic, b"k", json.dumps(value).encode(), (("id", id), ("type", kind.encode())))
    snapshots = {"profiles": messages.Profile, "loyalty-accounts": messages.Account, "quarantine": messages.Quarantined}
    topic = draw(st.sampled_from(sorted(snapshots)))
    return Said(topic, draw(st.binary(max_size=2)), json.dumps(draw(_value(snapshots[topic]))).encode(), offset=draw(st.integers(0, 2**60)))


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(said=st.lists(_anything(), min_size=20, max_size=60))
def test_every_message_at_its_limits_is_stored_or_quarantined_and_every_view_still_answers(analyst: Analyst, said: list[Said]) -> None:
    analyst.empty()

    analyst.deliver(*said)

    assert sum(analyst.outcomes[-1].values()) == len(said)
    every_view_answers(analyst)
