"""State is a function of the set of facts, never of the order in which they arrived."""

from collections import Counter
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.profile import reference
from tests.profile.stage_run import NOW, POLICY, Run
from tests.profile.touchpoints import logs


def cut(log: list[Any], sizes: list[int]) -> list[list[Any]]:
    batches, start = [], 0
    for size in [*sizes, len(log)]:
        if log[start : start + size]:
            batches.append(log[start : start + size])
        start += size
    return batches


@st.composite
def two_orders(draw: st.DrawFn) -> tuple[list[Any], list[list[Any]], int]:
    """A log, the same shuffled with repeats and cut into batches, and how much a stage may remember."""
    log = draw(logs())
    other = draw(st.permutations(log + draw(st.lists(st.sampled_from(log), max_size=3))))
    return log, cut(list(other), draw(st.lists(st.integers(1, 4), max_size=8))), draw(st.sampled_from([1, 1000]))


@settings(max_examples=examples(400), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(two_orders())
def test_any_order_batching_and_repetition_gives_the_same_customers(orders: tuple[list[Any], list[list[Any]], int]) -> None:
    log, batches, remember = orders
    straight, shuffled = Run(), Run(remember)
    straight.feed(*log)
    for batch in batches:
        shuffled.feed(*batch)
    repeats = sum(map(len, batches)) - len(log)
    assert shuffled.outcomes["duplicate", ""] == repeats
    assert shuffled.living() == straight.living()


@settings(max_examples=examples(400), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(two_orders())
def test_customers_equal_the_plain_fold_of_the_log_in_fact_order(orders: tuple[list[Any], list[list[Any]], int]) -> None:
    log, batches, remember = orders
    run = Run(remember)
    for batch in batches:
        run.feed(*batch)
    expected = reference.customers(POLICY, log)
    found = {id: {f"{one['type']}:{one['value']}" for one in profile["identifiers"]} for id, profile in run.living().items()}
    assert found == {id: identifiers for id, (identifiers, _) in expected.items()}
    counts = {id: profile["touchpoints"] for id, profile in run.living().items()}
    assert counts == {id: len(events) for id, (_, events) in expected.items()}


@settings(max_examples=examples(200), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(two_orders())
def test_whoever_follows_the_published_events_knows_who_holds_what(orders: tuple[list[Any], list[list[Any]], int]) -> None:
    log, batches, remember = orders
    run = Run(remember)
    for batch in batches:
        run.feed(*batch)
    holders: dict[str, str] = {}
    anchors: dict[str, str] = {}
    sequences: Counter[str] = Counter()
    for event in run.events():
        sequences[event["customer_id"]] += 1
        assert event["sequence"] == sequences[event["customer_id"]]
        if event["event"] == "touchpoint_applied":
            anchors[event["touchpoint"]["event_id"]] = event["anchor"]
        for identifier in [*event.get("joined", []), *(event.get("identifiers", []) if event["event"] != "identifiers_left" else [])]:
            holders[identifier["id"]] = event["customer_id"]
    expected = reference.customers(POLICY, log)
    assert {event_id: holders[anchor] for event_id, anchor in anchors.items()} == {
        event_id: id for id, (_, events) in expected.items() for event_id in events
    }


@settings(max_examples=examples(100), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(two_orders(), st.integers(0, 400))
def test_what_time_alone_changes_does_not_depend_on_when_it_was_looked_at(
    orders: tuple[list[Any], list[list[Any]], int], days: int
) -> None:
    log, batches, _ = orders
    later = NOW + days * 24 * 3_600_000
    often, once = Run(), Run()
    for batch in batches:
        often.feed(*batch)
        often.tick(often.clock.now_ms() + days * 3_600_000)
    often.tick(max(later, often.clock.now_ms()))
    once.clock.set(often.clock.now_ms())
    once.feed(*log)
    without_time = [{k: v for k, v in profile.items() if k != "as_of"} for profile in often.living().values()]
    assert without_time == [{k: v for k, v in once.living()[profile["customer_id"]].items() if k != "as_of"} for profile in without_time]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(two_orders(), st.sampled_from([1, 2, 3, 8]), st.integers(0, 300))
def test_a_stage_that_forgets_everything_between_batches_publishes_the_same_bytes(
    orders: tuple[list[Any], list[list[Any]], int], save_every: int, days: int
) -> None:
    _, batches, remember = orders
    whole, forgetful = Run(), Run(remember, save_every=save_every)
    for batch in batches:
        later = whole.clock.now_ms() + days * 24 * 3_600_000 // len(batches)
        whole.feed(*batch)
        whole.tick(later)
        forgetful.feed(*batch)
        forgetful.stage.forget()
        forgetful.tick(later)
        forgetful.stage.forget()
    assert forgetful.store.events_after(0, 100_000) == whole.store.events_after(0, 100_000)
    assert forgetful.profiles() == whole.profiles()
