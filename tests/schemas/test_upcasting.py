"""A type in several versions at once: all are taken, all mean the same in the newest version's words, and all come to the same state."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import topics
from schemas.reading import Unreadable, read
from schemas.touchpoints import MAX_MONEY, MOST_LINES, NEWEST, PAYLOADS
from schemas.upcasting import STEPS, WAYS, TooNew, newest, upcast
from services.loyalty.statements import read as statement_of
from services.projections.batch_rows import rows_of_batch
from services.projections.tables import touchpoints as touchpoint_rows
from tests.loyalty.installation import Installation
from tests.loyalty.told import EUROS, programme
from tests.profile.stage_run import Run
from tests.profile.touchpoints import touchpoint
from tests.projections.published import Said

ARRIVED = "2026-11-22T00:00:00.000000Z"
Touchpoint = dict[str, Any]
_text = st.text(st.characters(codec="ascii", min_codepoint=33), min_size=1, max_size=5)
_money = st.integers(0, 5_000) | st.just(MAX_MONEY)
_line = st.fixed_dictionaries({"sku": _text, "amount_minor": _money}, optional={"quantity": st.integers(1, 3), "shelf": _text})
_refund = st.fixed_dictionaries(
    {"order_id": st.sampled_from("AB"), "refund_id": st.sampled_from("RST"), "currency": st.just("EUR")},
    optional={
        "lines": st.lists(_line, max_size=3),
        "amount_minor": st.none() | _money,
        "reason": st.none() | _text,
        "total_minor": _text,  # a field of the channel's own, which version 1 kept as it came
        "till": st.integers(),
    },
)


def with_total(refund: Touchpoint) -> Touchpoint:
    """What a channel that speaks version 2 would have said instead."""
    amount = refund.get("amount_minor")
    total = sum(line["amount_minor"] for line in refund.get("lines", [])) if amount is None else amount
    return {name: value for name, value in refund.items() if name != "amount_minor"} | {"total_minor": total}


def test_every_version_that_is_taken_has_a_way_to_the_newest() -> None:
    assert WAYS.keys() == PAYLOADS.keys()
    assert {key for key in PAYLOADS if key[1] < NEWEST[key[0]]} == STEPS.keys()
    assert {(kind, version) for kind, version in WAYS if not WAYS[kind, version]} == set(NEWEST.items())


@given(_refund)
def test_every_refund_that_version_1_took_is_one_of_version_2(refund: Touchpoint) -> None:
    said = upcast("refund", 1, refund)

    assert said == with_total(refund)
    PAYLOADS["refund", 2].model_validate_json(json.dumps(said))
    sent = touchpoint("e", "customer_id:1", type="refund", **refund)
    kept, payload = read(json.dumps(sent).encode(), ARRIVED)
    assert (kept.version, json.loads(bytes(kept.payload))) == (1, refund)
    assert payload == read(json.dumps(sent | {"version": 2, "payload": said}).encode(), ARRIVED)[1]


def test_the_greatest_refund_of_version_1_has_a_total() -> None:
    lines = [{"sku": "a", "amount_minor": MAX_MONEY}] * MOST_LINES
    said = upcast("refund", 1, {"order_id": "A", "refund_id": "R", "currency": "EUR", "lines": lines})
    assert PAYLOADS["refund", 2].model_validate(said).model_dump()["total_minor"] == MOST_LINES * MAX_MONEY


def test_a_payload_of_the_newest_version_is_not_even_looked_at() -> None:
    payload = b"not read here"
    assert all(newest(kind, version, payload) is payload for kind, version in NEWEST.items())


def test_a_payload_that_is_none_of_its_own_version_is_refused_before_it_is_changed() -> None:
    with pytest.raises(msgspec.ValidationError, match="currency"):
        newest("refund", 1, b'{"order_id":"A","refund_id":"R"}')
    with pytest.raises(msgspec.ValidationError, match="not 0"):
        newest("refund", 0, b"{}")
    without = touchpoint("e", "customer_id:1", type="refund", order_id="A", refund_id="R", currency="EUR")
    assert read(json.dumps(without).encode(), ARRIVED)[1].total_minor == 0
    with pytest.raises(Unreadable, match="total_minor"):
        read(json.dumps(without | {"version": 2}).encode(), ARRIVED)


def test_a_version_that_is_not_known_yet_waits_in_quarantine_with_what_to_do() -> None:
    run = Run()

    run.feed(touchpoint("e", "customer_id:1", type="refund", order_id="A") | {"version": 3})

    (refused,) = run.events("quarantined")
    assert (refused["reason"], refused["path"], refused["event_id"]) == ("unknown_version", "$.version", "e")
    assert "knows refund in version 1, 2, not 3" in refused["detail"]
    assert "rapport quarantine redrive --reason unknown_version" in refused["detail"]


# ---- the same state

_facts = st.lists(st.tuples(st.sampled_from("12"), _refund | st.integers(1, 9_000), st.integers(0, 50)), min_size=1, max_size=12)
ONLY_HERE = {touchpoint_rows.TABLE.columns.index(name) for name in ("version", "payload")}


def _told(number: int, who: str, said: Touchpoint | int, hour: int) -> tuple[Touchpoint, Touchpoint]:
    """The touchpoint in its type's first version, and in the newest."""
    if isinstance(said, int):
        order = {"order_id": "AB"[number % 2], "total_minor": said, "currency": "EUR"}
        bought = touchpoint(f"e{number}", f"customer_id:{who}", type="purchase", hour=hour, **order)
        return bought, bought
    before = touchpoint(f"e{number}", f"customer_id:{who}", type="refund", hour=hour, **said)
    return before, before | {"version": 2, "payload": with_total(said)}


def _published(run: Run) -> list[Said]:
    return [
        Said(topics.PROFILE_CHANGES.name, str(one.originator).encode(), one.state, (("id", b"%d" % one.id), ("type", one.type.encode())))
        for one in run.store.events_after(0, 10_000)
    ]


def _state(log: list[Touchpoint]) -> tuple[Any, Any, Any]:
    """Profiles, accounts, and the rows of every table, of touchpoints without what says in which version they came."""
    run = Run()
    run.feed(*log)
    published = _published(run)
    installation = Installation(programme(EUROS))
    installation.read(published)  # type: ignore[arg-type]
    rows = {
        table.name: [tuple(v for i, v in enumerate(row) if table is not touchpoint_rows.TABLE or i not in ONLY_HERE) for row in found]
        for table, found in rows_of_batch(published).rows.items()
    }
    return run.profiles(), installation.accounts(), rows


@settings(max_examples=40, deadline=None)
@given(_facts)
def test_the_state_from_old_versions_equals_the_state_from_new_ones(facts: list[tuple[str, Any, int]]) -> None:
    told = [_told(number, *fact) for number, fact in enumerate(facts)]
    assert _state([before for before, _ in told]) == _state([after for _, after in told])


def test_what_is_published_keeps_the_version_in_which_it_was_sent() -> None:
    before, after = _told(0, "1", {"order_id": "A", "refund_id": "R", "currency": "EUR", "amount_minor": 5}, 1)
    run = Run()
    run.feed(before, after | {"event_id": "e1"})
    assert [one["touchpoint"]["version"] for one in run.events("touchpoint_applied")] == [1, 2]
    assert [one["touchpoint"]["payload"] for one in run.events("touchpoint_applied")] == [before["payload"], after["payload"]]


def test_the_same_refund_sent_again_by_an_upgraded_channel_is_a_duplicate_and_another_amount_a_conflict() -> None:
    before, after = _told(0, "1", {"order_id": "A", "refund_id": "R", "currency": "EUR", "amount_minor": 5}, 1)
    run = Run()
    run.feed(before, after)
    run.feed(after, before)
    run.feed(after | {"payload": after["payload"] | {"total_minor": 6}})
    assert run.outcomes == {("applied", ""): 1, ("duplicate", ""): 3, ("quarantined", "conflicting_duplicate"): 1}


def test_a_stage_behind_an_upgraded_one_waits_and_takes_nothing() -> None:
    run = Run()
    run.feed(_told(0, "1", {"order_id": "A", "refund_id": "R", "currency": "EUR"}, 1)[1])
    (published,) = _published(run)
    newer = Said(published.topic, published.key, (published.value or b"").replace(b'"version":2', b'"version":3'), published.headers)

    for reading in (lambda: statement_of(newer.value, newer.headers), lambda: rows_of_batch([newer])):
        with pytest.raises(TooNew, match="refund in version 1, 2, not 3: this stage waits until it is upgraded"):
            reading()
