"""What one batch of touchpoints becomes."""

import json
from typing import Any

import pytest

from schemas.compiled import struct_of
from schemas.profile_events import PROFILE_EVENTS, Profile
from schemas.quarantine import MAX_MESSAGE_BYTES, Quarantined
from services.profile.identifiers import IdentityPolicy, derived_id
from services.profile.stage import KINDS
from tests.profile.stage_run import DAY, NOW, Run
from tests.profile.touchpoints import NOON, Record, touchpoint


def purchase(event_id: str, *identifiers: str, hour: float = 0, total: int = 1000, **more: Any) -> dict[str, Any]:
    payload = {"order_id": f"o-{event_id}", "total_minor": total, "currency": "EUR", **more}
    return touchpoint(event_id, *identifiers, hour=hour, type="purchase", source="shop", **payload)


def test_two_channels_that_never_met_are_two_customers() -> None:
    run = Run()
    run.feed(touchpoint("e1", "customer_id:1"), touchpoint("e2", "email:a@example.org"))
    assert {profile["touchpoints"] for profile in run.living().values()} == {1}
    assert len(run.living()) == 2


def test_a_touchpoint_that_carries_both_makes_them_one_and_says_so() -> None:
    run = Run()
    run.feed(purchase("e1", "customer_id:1", hour=1), touchpoint("e2", "email:a@example.org", hour=2))
    run.feed(touchpoint("e3", "customer_id:1", "email:A@Example.org", hour=3))
    assert run.only()["touchpoints"] == 3
    assert run.only()["emails"] == ["a@example.org"]
    (merged,), (into,) = run.events("customers_merged"), run.events("customer_merged_into")
    assert (merged["merged"], into["survivor"], merged["cause"]) == (into["customer_id"], merged["customer_id"], "e3")
    assert run.profiles()[merged["merged"]]["merged_into"] == merged["customer_id"]


def test_the_survivor_is_who_was_seen_first_whatever_arrived_first() -> None:
    run = Run()
    run.feed(touchpoint("e2", "customer_id:1", "email:a@example.org", hour=5))
    run.feed(touchpoint("e1", "email:a@example.org", hour=1))
    assert run.only()["customer_id"] == derived_id("email:a@example.org", b"rapport")
    assert [event["merged"] for event in run.events("customers_merged")] == [derived_id("customer_id:1", b"rapport")]


def test_a_link_that_would_give_one_customer_two_customer_ids_is_refused_and_shown_to_a_person() -> None:
    run = Run()
    run.feed(touchpoint("e1", "customer_id:1", "email:a@example.org", hour=1))
    run.feed(touchpoint("e2", "customer_id:2", "email:a@example.org", hour=2))
    assert len(run.living()) == 2
    (refusal,) = run.events("link_refused")
    assert (refusal["anchor"]["value"], refusal["refused"]["value"], refusal["reason"]) == ("2", "a@example.org", "limit:customer_id")


def test_a_late_fact_turns_a_refusal_round_and_identifiers_move() -> None:
    run = Run()
    run.feed(touchpoint("e2", "customer_id:2", "email:a@example.org", hour=2), touchpoint("e3", "email:a@example.org", hour=3))
    run.feed(touchpoint("e1", "customer_id:1", "email:a@example.org", hour=1))
    holders = {id["value"]: profile["identifiers"] for profile in run.living().values() for id in profile["identifiers"]}
    assert {one["value"] for one in holders["1"]} == {"1", "a@example.org"}
    assert {one["value"] for one in holders["2"]} == {"2"}


def linked(event_id: str, step: str, *identifiers: str, hour: float) -> dict[str, Any]:
    return touchpoint(event_id, *identifiers, hour=hour, type="link", source="desk", step=step)


def held(run: Run) -> set[frozenset[str]]:
    """The identifiers of each living customer."""
    return {frozenset(one["value"] for one in profile["identifiers"]) for profile in run.living().values()}


def test_a_merge_is_undone_by_voiding_its_link_and_everything_is_as_if_it_had_never_been() -> None:
    run = Run()
    run.feed(purchase("e1", "customer_id:1", hour=1), purchase("e2", "email:a@example.org", hour=2, total=300))
    run.feed(touchpoint("e3", "customer_id:1", "email:a@example.org", hour=3))
    assert run.only()["spend"]["EUR"]["gross_minor"] == 1300

    run.feed(linked("e4", "voided", "customer_id:1", "email:a@example.org", hour=4))

    assert held(run) == {frozenset(["1"]), frozenset(["a@example.org"])}
    mail, number = derived_id("email:a@example.org", b"rapport"), derived_id("customer_id:1", b"rapport")
    assert run.living()[mail]["spend"]["EUR"]["gross_minor"] == 300
    assert run.living()[number]["spend"]["EUR"]["gross_minor"] == 1000
    (left,), (joined,) = run.events("identifiers_left"), run.events("identifiers_joined")
    assert (left["customer_id"], left["holder"], left["cause"]) == (number, mail, "e4")
    assert (joined["customer_id"], joined["former"], [one["value"] for one in joined["identifiers"]]) == (mail, number, ["a@example.org"])


@pytest.mark.parametrize("void_comes", [0, 1, 2])
def test_a_link_is_void_whether_the_decision_comes_before_or_after_it(void_comes: int) -> None:
    facts = [
        touchpoint("e1", "customer_id:1", "phone:+12025550100", hour=1),
        touchpoint("e2", "customer_id:1", "phone:+12025550100", hour=9),
    ]
    facts.insert(void_comes, linked("e3", "voided", "phone:+12025550100", "customer_id:1", hour=5))
    run = Run()
    for fact in facts:
        run.feed(fact)
    assert held(run) == {frozenset(["1"]), frozenset(["+12025550100"])}
    assert run.events("link_refused") == []


def test_of_several_decisions_the_latest_in_fact_order_holds() -> None:
    run = Run()
    run.feed(linked("e3", "restored", "customer_id:1", "email:a@example.org", hour=3))
    run.feed(touchpoint("e1", "customer_id:1", "email:a@example.org", hour=1))
    run.feed(linked("e2", "voided", "customer_id:1", "email:a@example.org", hour=2))
    assert held(run) == {frozenset(["1", "a@example.org"])}
    run.feed(linked("e4", "voided", "customer_id:1", "email:a@example.org", hour=4))
    assert held(run) == {frozenset(["1"]), frozenset(["a@example.org"])}


def test_to_restore_what_was_never_linked_links_nothing() -> None:
    run = Run()
    run.feed(linked("e1", "restored", "customer_id:1", "email:a@example.org", hour=1))
    assert held(run) == {frozenset(["1"]), frozenset(["a@example.org"])}


def test_identifiers_that_something_else_links_stay_together_when_one_link_is_void() -> None:
    run = Run()
    run.feed(
        touchpoint("e1", "customer_id:1", "email:a@example.org", hour=1), touchpoint("e2", "email:a@example.org", "phone:+12025550100")
    )
    run.feed(touchpoint("e3", "customer_id:1", "phone:+12025550100", hour=3))
    run.feed(linked("e4", "voided", "customer_id:1", "phone:+12025550100", hour=4))
    assert len(run.living()) == 1


def test_a_void_link_gives_way_to_one_that_it_stood_in_the_way_of() -> None:
    run = Run()
    run.feed(
        touchpoint("e1", "customer_id:1", "email:a@example.org", hour=1), touchpoint("e2", "customer_id:2", "email:a@example.org", hour=2)
    )
    assert held(run) == {frozenset(["1", "a@example.org"]), frozenset(["2"])}
    run.feed(linked("e3", "voided", "customer_id:1", "email:a@example.org", hour=3))
    assert held(run) == {frozenset(["2", "a@example.org"]), frozenset(["1"])}


def test_a_decision_on_a_shared_value_changes_nothing() -> None:
    run = Run(policy=IdentityPolicy(limits={"customer_id": 1}, partner_limit=2))
    office = "phone:+12025550100"
    run.feed(linked("e9", "voided", "customer_id:0", office, hour=9))
    run.feed(*(touchpoint(f"e{n}", f"customer_id:{n}", office, hour=n) for n in range(3)))
    run.feed(linked("e8", "restored", "customer_id:0", office, hour=10))
    assert len(held(run)) == 4
    assert [event["anchor"]["value"] for event in run.events("link_refused") if event["reason"] == "shared"] == ["1"]


def led_to(run: Run, identifier: str) -> Any:
    """Where the id of a merged customer leads, by the snapshots alone."""
    id, profiles = derived_id(identifier, b"rapport"), run.profiles()
    while profiles[id]["merged_into"]:
        id = profiles[id]["merged_into"]
    return profiles[id]["identifiers"]


def test_touchpoints_of_one_batch_are_taken_in_the_order_in_which_they_happened() -> None:
    run = Run()
    run.feed(
        touchpoint("e3", "customer_id:1", hour=3), touchpoint("e2", "customer_id:1", hour=1), touchpoint("e1", "customer_id:1", hour=1)
    )
    assert [one["touchpoint"]["event_id"] for one in run.events("touchpoint_applied")] == ["e1", "e2", "e3"]


def test_of_two_with_one_event_id_the_one_that_came_first_counts_though_it_happened_later() -> None:
    run = Run()
    run.feed(touchpoint("e1", "customer_id:1", hour=3), touchpoint("e1", "customer_id:1", hour=1))
    (counted,) = run.events("touchpoint_applied")
    (refused,) = run.events("quarantined")
    assert counted["touchpoint"]["occurred_at"] > touchpoint("e1", "customer_id:1", hour=1)["occurred_at"]
    assert refused["reason"] == "conflicting_duplicate"


def test_the_id_of_a_merged_customer_leads_to_whoever_holds_its_identifier_after_that_has_moved_on() -> None:
    run = Run()
    run.feed_in_turn(touchpoint("e3", "email:a@example.org", hour=3), touchpoint("e2", "customer_id:1", "email:a@example.org", hour=2))
    run.feed(touchpoint("e1", "customer_id:2", "email:a@example.org", hour=1))
    assert {one["value"] for one in led_to(run, "email:a@example.org")} == {"2", "a@example.org"}


def test_the_id_of_a_merged_customer_leads_past_one_that_lives_again_without_its_identifier() -> None:
    run = Run()
    run.feed_in_turn(touchpoint("e3", "anonymous_id:a", hour=3), touchpoint("e2", "email:a@example.org", "anonymous_id:a", hour=2))
    run.feed(touchpoint("e1", "customer_id:1", "email:a@example.org", hour=1), touchpoint("e4", "customer_id:1", "anonymous_id:a", hour=4))
    run.feed(
        linked("e5", "voided", "customer_id:1", "email:a@example.org", hour=5),
        linked("e6", "voided", "email:a@example.org", "anonymous_id:a", hour=6),
    )
    assert held(run) == {frozenset(["1", "a"]), frozenset(["a@example.org"])}
    assert {one["value"] for one in led_to(run, "anonymous_id:a")} == {"1", "a"}


def test_the_id_of_a_merged_customer_leads_right_when_its_survivor_is_merged_and_split_at_once() -> None:
    run = Run()
    run.feed_in_turn(touchpoint("e7", "anonymous_id:a", hour=7), touchpoint("e2", "email:a@example.org", hour=2))
    run.feed_in_turn(
        touchpoint("e5", "email:a@example.org", "anonymous_id:a", hour=5), touchpoint("e3", "customer_id:2", "anonymous_id:a", hour=3)
    )
    run.feed(touchpoint("e1", "customer_id:1", "email:a@example.org", hour=1))
    assert held(run) == {frozenset(["1", "a@example.org"]), frozenset(["2", "a"])}
    assert {one["value"] for one in led_to(run, "anonymous_id:a")} == {"2", "a"}


def test_an_id_that_led_by_way_of_another_leads_right_when_the_other_moves_on() -> None:
    run = Run()
    run.feed(touchpoint("e6", "customer_id:0", "phone:+12025550101", hour=30))
    run.feed(touchpoint("e5", "phone:+12025550101", "phone:+12025550100", hour=11))
    run.feed_in_turn(
        touchpoint("e4", "email:a@example.org", "customer_id:0", hour=12),
        linked("e1", "voided", "email:a@example.org", "customer_id:2", hour=2),
    )
    run.feed(touchpoint("e3", "phone:+12025550101", "customer_id:2", hour=12))
    assert {one["value"] for one in led_to(run, "phone:+12025550100")} == {"+12025550100", "+12025550101", "2"}
    assert {one["value"] for one in led_to(run, "customer_id:0")} == {"0", "a@example.org"}


def test_a_decision_outlives_a_shared_value_that_held_its_set_together() -> None:
    run = Run(policy=IdentityPolicy(limits={"customer_id": 1}, partner_limit=2))
    office = "phone:+12025550100"
    run.feed(
        touchpoint("e1", "customer_id:0", "email:a@example.org"), linked("e2", "voided", "customer_id:0", "email:a@example.org", hour=1)
    )
    run.feed(*(touchpoint(f"f{n}", f"customer_id:{n}", office, hour=n + 2) for n in range(3)))
    run.feed(touchpoint("e3", "customer_id:0", "email:a@example.org", hour=9))
    assert frozenset(["0"]) in held(run)
    assert frozenset(["a@example.org"]) in held(run)


def test_a_number_shared_by_too_many_identifies_nobody_any_more() -> None:
    run = Run(policy=IdentityPolicy(limits={"customer_id": 1}, partner_limit=2))
    office = "phone:+12025550100"
    run.feed(*(touchpoint(f"e{n}", f"customer_id:{n}", office, hour=n) for n in range(3)))
    assert sorted(len(profile["identifiers"]) for profile in run.living().values()) == [1, 1, 1, 1]
    assert {event["reason"] for event in run.events("link_refused")} >= {"shared"}


def test_a_refusal_is_said_once_though_another_value_becomes_shared_later() -> None:
    run = Run(policy=IdentityPolicy(limits={"customer_id": 1}, partner_limit=2))
    mail, device = "email:a@example.org", "device:d"
    run.feed(touchpoint("e1", "customer_id:1", mail), touchpoint("e2", "customer_id:2", mail, hour=1))
    run.feed(*(touchpoint(f"f{n}", one, device, hour=n + 2) for n, one in enumerate((mail, "customer_id:1", "customer_id:2"))))
    told = [(event["anchor"]["value"], event["refused"]["value"], event["reason"]) for event in run.events("link_refused")]
    assert told.count(("2", "a@example.org", "limit:customer_id")) == 1
    assert {reason for _, value, reason in told if value == "d"} >= {"shared"}


def test_a_blocked_value_does_not_link_and_alone_is_quarantined() -> None:
    run = Run(policy=IdentityPolicy(blocked=frozenset(["test@test.com"])))
    run.feed(touchpoint("e1", "customer_id:1", "email:test@test.com"), touchpoint("e2", "customer_id:2", "email:TEST@test.com"))
    run.feed(touchpoint("e3", "email:test@test.com"))
    assert len(run.living()) == 2
    assert run.outcomes["quarantined", "no_usable_identifier"] == 1


def test_the_same_event_id_with_other_content_is_quarantined_and_the_first_stays() -> None:
    run = Run()
    run.feed(purchase("e1", "customer_id:1", total=5))
    run.feed(purchase("e1", "customer_id:1", total=6), purchase("e1", "customer_id:1", total=5))
    assert run.outcomes == {("applied", ""): 1, ("quarantined", "conflicting_duplicate"): 1, ("duplicate", ""): 1}
    assert run.only()["spend"]["EUR"]["gross_minor"] == 5


@pytest.mark.parametrize("respelled", [lambda text: text.replace('": ', '":'), lambda text: text.replace("u@example.org", "U@Example.ORG")])
@pytest.mark.parametrize("batches", [1, 2])
def test_a_repeat_spelled_otherwise_is_a_duplicate(respelled: Any, batches: int) -> None:
    run = Run()
    text = json.dumps(touchpoint("e1", "email:u@example.org", name="x", properties={"a": 1}))
    both = [Record(text.encode(), 0), Record(respelled(text).encode(), 1)]
    for batch in [both] if batches == 1 else [[one] for one in both]:
        run.feed_records(batch)
    assert run.outcomes == {("applied", ""): 1, ("duplicate", ""): 1}


def test_an_event_without_a_time_of_its_own_is_the_same_whenever_it_is_sent_again() -> None:
    run = Run()
    for hour in (1, 2):
        one = touchpoint("e1", "customer_id:1", hour=hour)
        run.feed(one | {"received_at": one["occurred_at"]})
    assert run.outcomes == {("applied", ""): 1, ("duplicate", ""): 1}


BAD = {
    "not_json": [b"", b"{", b'{"event_id": NaN}'],
    "not_utf8": [b'{"event_id": "\xff"}'],
    "nul_character": [json.dumps(touchpoint("a\0b", "customer_id:1")).encode()],
    "too_deep": [json.dumps(touchpoint("e", "customer_id:1")).encode().replace(b'"seen"', b"[" * 10_000 + b"]" * 10_000)],
    "too_large": [json.dumps(touchpoint("e", "customer_id:1", name="x" * 300_000)).encode()],
    "unknown_type": [json.dumps(touchpoint("e", "customer_id:1", type="telepathy")).encode()],
    "unknown_version": [json.dumps(touchpoint("e", "customer_id:1") | {"version": 9}).encode()],
    "time_out_of_range": [
        json.dumps(touchpoint("e", "customer_id:1") | {"occurred_at": at}).encode()
        for at in ("9999-12-31T23:59:59Z", "1969-12-31T23:59:59Z")
    ]
    + [
        json.dumps(touchpoint("e", "customer_id:1") | {"occurred_at": far, "received_at": far}).encode()
        for far in ("9999-12-31T23:59:59Z",)
    ],
    "invalid": [
        b"[]",
        b"17",
        json.dumps(purchase("e", "customer_id:1", total=-5)).encode(),
        json.dumps(purchase("e", "customer_id:1", total=10**30)).encode(),
        json.dumps(purchase("e", "customer_id:1", currency="euro")).encode(),
        json.dumps(touchpoint("e") | {"identifiers": []}).encode(),
        json.dumps(touchpoint("e", "customer_id:1") | {"occurred_at": "yesterday"}).encode(),
        json.dumps(touchpoint("e", "customer_id:1") | {"surprise": 1}).encode(),
    ],
}


@pytest.mark.parametrize(("reason", "value"), [(reason, value) for reason, values in BAD.items() for value in values])
def test_bad_input_is_set_aside_with_its_place_and_reason_and_nobody_waits_behind_it(reason: str, value: bytes) -> None:
    run = Run()
    good = json.dumps(touchpoint("good", "customer_id:7")).encode()
    run.feed_records([Record(value, 41, partition=3), Record(good, 42, partition=3)])
    assert run.outcomes == {("quarantined", reason): 1, ("applied", ""): 1}
    (message,) = run.events("quarantined")
    assert (message["topic"], message["partition"], message["offset"], message["reason"]) == ("touchpoints", 3, 41, reason)
    assert message["detail"]
    message.pop("event")
    Quarantined.model_validate_json(json.dumps(message))


@pytest.mark.parametrize("value", [b"\xff" * 2_000_000, b"\x01" * 2_000_000, "\u00e9".encode() * 1_000_000])
def test_what_would_not_fit_into_quarantine_is_kept_as_far_as_it_fits(value: bytes) -> None:
    run = Run()
    run.feed_records([Record(value, 1)])
    (recorded,) = run.store.events_after(0, 10)
    assert len(recorded.state) < MAX_MESSAGE_BYTES
    assert "bytes are kept here" in json.loads(recorded.state)["detail"]


def test_everything_published_is_as_its_schema_says() -> None:
    run = Run()
    run.feed(purchase("e1", "customer_id:1", hour=1), touchpoint("e2", "email:a@example.org", hour=2))
    run.feed(
        touchpoint("e3", "customer_id:1", "email:a@example.org", hour=3), touchpoint("e4", "customer_id:2", "email:a@example.org", hour=4)
    )
    run.feed(touchpoint("e0", "customer_id:2", "email:a@example.org", hour=0))
    seen = set()
    for recorded in run.store.events_after(0, 1000):
        PROFILE_EVENTS[recorded.type].model_validate_json(recorded.state)
        seen.add(recorded.type)
    assert seen == set(PROFILE_EVENTS)
    for message in run.stage.snapshots(run.store.originators_after(0)):
        Profile.model_validate_json(message.value or b"")
        assert struct_of(Profile)


def test_a_customer_is_new_then_active_then_at_risk_then_lost_by_time_alone() -> None:
    run = Run(now_ms=NOON // 1000)
    run.feed(purchase("e1", "customer_id:1", hour=-1))
    days = [0, 31, 91, 181]
    for day in days:
        run.tick((NOON + day * DAY) // 1000)
    assert [event["after"] for event in run.events("lifecycle_changed")] == ["new", "active", "at_risk", "lost"]
    assert [event["cause"] for event in run.events("lifecycle_changed")] == ["e1", "clock", "clock", "clock"]
    run.feed(purchase("e2", "customer_id:1", hour=181 * 24))
    assert run.only()["lifecycle"] == "won_back"


def test_time_alone_moves_a_customer_on_at_the_very_moment_and_not_a_millisecond_later() -> None:
    run = Run(now_ms=NOON // 1000)
    run.feed(purchase("e1", "customer_id:1", hour=0))
    run.tick((NOON + 90 * DAY) // 1000 - 1)
    assert run.only()["lifecycle"] == "active"
    run.tick((NOON + 90 * DAY) // 1000)
    assert run.only()["lifecycle"] == "at_risk"


def test_a_clock_set_back_brings_nobody_back() -> None:
    run = Run(now_ms=NOON // 1000)
    run.feed(purchase("e1", "customer_id:1", hour=-1))
    run.tick((NOON + 200 * DAY) // 1000)
    run.clock.set(NOON // 1000)
    run.feed(touchpoint("e2", "customer_id:1"), purchase("e3", "customer_id:1", hour=-2))
    assert run.only()["lifecycle"] == "lost"


def test_a_touchpoint_from_the_future_beyond_a_day_waits_in_quarantine() -> None:
    run = Run(now_ms=NOW)
    run.feed(touchpoint("e1", "customer_id:1", hour=402 * 24))
    assert run.outcomes == {("quarantined", "time_out_of_range"): 1}


def test_a_customer_is_lost_from_the_very_millisecond_on() -> None:
    run = Run(now_ms=NOON // 1000)
    run.feed(touchpoint("e1", "email:ada@example.org", type="purchase", order_id="o", total_minor=1, currency="EUR"))

    run.tick((NOON + 180 * DAY) // 1000 - 1)
    assert run.only()["lifecycle"] == "at_risk"
    run.tick((NOON + 180 * DAY) // 1000)

    assert run.only()["lifecycle"] == "lost"


def test_the_longer_a_history_is_the_more_rarely_a_customers_state_is_written() -> None:
    assert written_with(Run(save_every=8), range(1, 65)) == 8
    assert written_with(run := Run(save_every=8), range(1, 401)) == 23
    assert run.only()["touchpoints"] == 400, "what was not written is read from the events"
    assert written_with(Run(save_every=1), range(1, 401)) == 400, "a store that is to be whole has all of it"


def written_with(run: Run, touchpoints: range) -> int:
    """How often the state of the one customer was written."""
    states = set()
    for number in touchpoints:
        run.feed(touchpoint(f"e{number}", "customer_id:1", hour=number))
        states |= {value for _, value in run.store.all_rows("facts")}
    return len(states)


def test_once_all_is_saved_the_rows_are_those_of_a_stage_that_writes_them_at_every_event() -> None:
    whole, saved = Run(save_every=1), Run(remember=3, save_every=8)
    for number in range(24):
        for run in (whole, saved):
            run.feed(touchpoint(f"e{number}", f"customer_id:{number % 5}", f"email:u{number % 5}@example.org", hour=number))
    assert rows(saved) != rows(whole)

    for transaction in saved.stage.save_all():
        saved.store.commit(transaction)

    assert rows(saved) == rows(whole)
    assert list(saved.stage.save_all()) == []


def rows(run: Run) -> dict[str, dict[str, bytes]]:
    return {kind: dict(run.store.all_rows(kind)) for kind in KINDS}
