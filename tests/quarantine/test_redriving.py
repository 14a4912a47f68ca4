"""What would become of something in quarantine that goes into the log again."""

import base64
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from schemas.quarantine import QuarantineDecision
from schemas.reading import read
from services.quarantine.decisions import Decider, decided, redriven
from services.quarantine.redriving import Admitted, InQuarantine, Redriving, StillRefused, tried
from services.quarantine.rules import rules_of

ARRIVED = "2025-03-05T20:20:01.000000Z"
LATER = "2025-03-06T10:00:00.000000Z"
BOUGHT: dict[str, Any] = {
    "event_id": "shop-1",
    "type": "purchase",
    "occurred_at": "2025-03-05T20:15:00Z",
    "source": "shop",
    "identifiers": [{"type": "customer_id", "value": "1"}],
    "payload": {"order_id": "1", "total_minor": 100, "currency": "USD"},
}


def waiting(original: Any, **fields: Any) -> InQuarantine:
    text = original if isinstance(original, str) else json.dumps(original)
    said = {
        "quarantine_id": "ingest:7", "stage": "ingest", "reason": "invalid", "topic": "", "event_id": "shop-1", "source": "shop",
        "received_at": ARRIVED, "original": text, "encoding": "utf8",
    }  # fmt: skip
    return InQuarantine(**{**said, **fields})


def admitted(one: InQuarantine, *rules: str) -> Admitted:
    result = tried(one, rules_of(rules))
    assert isinstance(result, Admitted), result
    return result


def refused(one: InQuarantine, *rules: str) -> StillRefused:
    result = tried(one, rules_of(rules))
    assert isinstance(result, StillRefused), result
    return result


def test_a_fixed_original_goes_back_under_its_event_id_with_its_time_of_arrival() -> None:
    wrong = BOUGHT | {"payload": BOUGHT["payload"] | {"total_minor": "100"}}
    assert refused(waiting(wrong)).path == "$.payload.total_minor"

    result = admitted(waiting(wrong), "cast $.payload.total_minor int")

    touchpoint, payload = read(result.value, LATER)
    assert (touchpoint.event_id, touchpoint.received_at, payload.total_minor) == ("shop-1", ARRIVED, 100)
    assert result.changes == [("$.payload.total_minor", "100", 100)]


def test_what_ingest_refused_takes_the_source_of_its_key_and_no_time_of_arrival_of_its_own() -> None:
    bare = {name: value for name, value in BOUGHT.items() if name != "source"} | {"received_at": "2020-01-01T00:00:00Z"}

    touchpoint, _ = read(admitted(waiting(bare)).value, LATER)

    assert (touchpoint.source, touchpoint.received_at) == ("shop", ARRIVED)


def test_after_an_upgrade_what_was_not_understood_goes_back_as_it_is() -> None:
    assert admitted(waiting(BOUGHT, reason="unknown_version")).changes == ()


def test_a_fix_that_is_not_enough_leaves_it_in_quarantine_and_says_what_is_left_to_do() -> None:
    wrong = BOUGHT | {"payload": {"order_id": "1", "total_minor": -1}}

    result = refused(waiting(wrong), "replace $.payload.total_minor 1")

    assert (result.reason, result.changes) == ("invalid", [("$.payload.total_minor", -1, 1)])
    assert "currency" in result.detail


def test_a_conflicting_duplicate_goes_back_under_an_event_id_of_its_own_only() -> None:
    second = waiting(BOUGHT, stage="profile", topic="touchpoints", reason="conflicting_duplicate", quarantine_id="touchpoints:2:5")

    assert refused(second).reason == "conflicting_duplicate"
    assert admitted(second, "new_id").event_id == "redriven:touchpoints:2:5"
    assert admitted(second, 'replace $.event_id "shop-1b"').event_id == "shop-1b"


def test_two_that_would_say_different_things_under_one_event_id_do_not_both_go_back() -> None:
    redriving = Redriving(rules_of(['replace $.event_id "same"']))
    other = BOUGHT | {"identifiers": [{"type": "customer_id", "value": "2"}]}

    assert isinstance(redriving.tried(waiting(BOUGHT)), Admitted)
    assert isinstance(redriving.tried(waiting(BOUGHT)), Admitted)
    second = redriving.tried(waiting(other, quarantine_id="ingest:8"))

    assert isinstance(second, StillRefused)
    assert second.reason == "conflicting_duplicate"


def test_what_a_stage_refused_of_another_topic_is_no_touchpoint() -> None:
    assert "rebuilt" in refused(waiting("{}", topic="profile-events", stage="loyalty")).detail


def test_bytes_that_are_no_text_can_be_replaced_whole() -> None:
    binary = waiting(base64.b64encode(b"\xff\xfe").decode(), encoding="base64")

    assert refused(binary).reason == "not_utf8"
    assert admitted(binary, f"replace $ {json.dumps(BOUGHT)}").event_id == "shop-1"


def test_a_decision_says_who_when_why_and_the_fix_and_a_redriven_event_where_it_comes_from() -> None:
    rules = rules_of(['replace $.event_id   "x"'])
    result = admitted(waiting(BOUGHT), rules[0].text)

    told = decided(Decider("ada", LATER, "a new till"), "redriven", result.quarantine_id, "d1", rules, result.event_id)
    sent = redriven(result, b"customer_id:1", "d1")

    message = QuarantineDecision.model_validate_json(told.value)
    assert (told.key, told.headers) == (b"ingest:7", [("type", b"quarantine_decided")])
    assert (message.decided_by, message.decided_at, message.why, message.event_id) == ("ada", LATER, "a new till", "x")
    assert message.fix == ['replace $.event_id "x"']
    assert sent.headers == [("quarantine_id", b"ingest:7"), ("decision_id", b"d1")]


_rules = st.lists(
    st.sampled_from(["new_id", "remove $.payload.x", "cast $.payload.total_minor int", 'replace $.source "s"', "remove $.identifiers[0]"]),
    max_size=3,
)
_original = (
    st.text(max_size=40)
    | st.dictionaries(st.sampled_from(list(BOUGHT)), st.none() | st.integers() | st.text(max_size=5), max_size=6).map(json.dumps)
    | st.dictionaries(st.sampled_from(list(BOUGHT)), st.none() | st.integers(), max_size=1).map(lambda spoilt: json.dumps(BOUGHT | spoilt))
)


@given(
    original=_original,
    rules=_rules,
    topic=st.sampled_from(["", "touchpoints", "profiles"]),
    stage=st.sampled_from(["ingest", "profile"]),
    encoding=st.sampled_from(["utf8", "base64"]),
)
def test_whatever_is_in_quarantine_is_admitted_or_stays_and_trying_it_again_says_the_same(
    original: str, rules: list[str], topic: str, stage: str, encoding: str
) -> None:
    one = waiting(original, topic=topic, stage=stage, encoding=encoding)

    result = tried(one, rules_of(rules))

    assert tried(one, rules_of(rules)) == result
    if isinstance(result, Admitted):
        again, _ = read(result.value, LATER)
        assert again.event_id == result.event_id
