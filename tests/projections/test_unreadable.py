"""Messages that none of our stages wrote: into quarantine, with place and reason, and the partition moves on."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import topics
from services.projections.batch_rows import rows_of_batch
from services.projections.routing import TOPICS
from tests.projections.conftest import Analyst
from tests.projections.published import Said, Story

EVENT = topics.PROFILE_CHANGES.name
GOOD_HEADERS = (("id", b"9"), ("type", b"touchpoint_applied"), ("sequence", b"1"))


def reason_of(message: Said) -> str:
    (((outcome, reason), count),) = rows_of_batch([message]).outcomes.items()
    assert (outcome, count) == ("quarantined", 1)
    return reason


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (Said(EVENT, b"k", b"{", GOOD_HEADERS), "unreadable_message"),
        (Said(EVENT, b"k", b"{}", GOOD_HEADERS), "unreadable_message"),
        (Said(EVENT, b"k", b"[" * 100_000, GOOD_HEADERS), "unreadable_message"),
        (Said(EVENT, b"k", b"\xff\xfe", GOOD_HEADERS), "unreadable_message"),
        (Said(EVENT, b"k", None, GOOD_HEADERS), "empty"),
        (Said(EVENT, b"k", b"{}", (("id", b"9"), ("type", b"from_the_future"))), "unknown_message_type"),
        (Said(EVENT, b"k", b"{}", ()), "unknown_message_type"),
        (Said(EVENT, b"k", b"{}", (("type", b"touchpoint_applied"),)), "no_notification_id"),
        (Said(EVENT, b"k", b"{}", (("type", b"touchpoint_applied"), ("id", b"-1"))), "no_notification_id"),
        (Said(EVENT, b"k", b"{}", (("type", b"touchpoint_applied"), ("id", b"9" * 30))), "no_notification_id"),
        (Said(topics.PROFILES.name, b"k", b'{"customer_id":"nobody","sequence":1}', ()), "unreadable_message"),
        (Said(topics.QUARANTINE.name, b"k", b"null", ()), "unreadable_message"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_none_of_ours_is_quarantined_with_a_reason(message: Said, reason: str) -> None:
    assert reason_of(message) == reason


def test_numbers_that_no_column_can_hold_are_refused_when_read() -> None:
    story = Story()
    snapshot = story.snapshot("customer_id:1", touchpoints=1)
    huge = (snapshot.value or b"").replace(b'"touchpoints":1', b'"touchpoints":%d' % 2**64)

    assert reason_of(Said(snapshot.topic, b"k", huge)) == "unreadable_message"


def test_bytes_that_are_not_utf8_in_a_part_that_nobody_reads_are_refused_too() -> None:
    good = Story().touchpoint("e1", payload={"place": "page", "name": "NAME"})
    bad = (good.value or b"").replace(b"NAME", b"\xff")

    assert reason_of(Said(EVENT, b"k", bad, good.headers)) == "unreadable_message"


@pytest.mark.parametrize("topic", TOPICS)
@given(
    value=st.one_of(st.none(), st.binary(max_size=60)),
    headers=st.lists(st.tuples(st.sampled_from(["id", "type", "sequence"]), st.binary(max_size=8))),
)
def test_no_message_whatever_stops_a_batch(topic: str, value: bytes | None, headers: list[tuple[str, bytes]]) -> None:
    good = Story().touchpoint("e1")

    found = rows_of_batch([Said(topic, b"k", value, headers), good])

    assert sum(found.outcomes.values()) == 2
    assert found.outcomes["applied", ""] >= 1


def test_an_analyst_finds_the_message_with_its_place_and_its_bytes(analyst: Analyst) -> None:
    # given: a good message, rubbish, and rubbish that is not even text
    story = Story()
    analyst.deliver(
        story.touchpoint("e1"),
        Said(EVENT, b"k", b"rubbish", GOOD_HEADERS, partition=3, offset=41),
        Said(EVENT, b"k", b"\xff\x00", GOOD_HEADERS, partition=3, offset=42),
    )

    found = analyst.ask("SELECT quarantine_id, stage, topic, partition, offset, original, encoding FROM rapport.quarantine ORDER BY offset")

    assert found[0] == ("profile-events:3:41", "projections", "profile-events", 3, 41, "rubbish", "utf8")
    assert found[1][5:] == (base64.b64encode(b"\xff\x00").decode(), "base64")
    assert analyst.ask("SELECT count() FROM rapport.touchpoints") == [(1,)]


def test_reading_it_again_finds_the_same(analyst: Analyst) -> None:
    message = Said(EVENT, b"k", b"rubbish", GOOD_HEADERS, partition=1, offset=7)

    analyst.deliver(message)
    before = analyst.ask("SELECT * FROM rapport.quarantine")
    analyst.deliver(Story().touchpoint("e1"), message)

    assert analyst.ask("SELECT * FROM rapport.quarantine") == before


def test_a_message_of_another_stages_quarantine_is_shown_as_it_is(analyst: Analyst) -> None:
    original = json.dumps({"event_id": "e", "type": "purchase"})
    analyst.deliver(
        Story().quarantined(
            "ingest:abc", "invalid", event_id="e", type="purchase", source="shop", occurred_at="yesterday", original=original
        )
    )

    row = analyst.row("SELECT stage, reason, path, event_id, occurred_at, topic, partition, original FROM rapport.quarantine")

    assert row["occurred_at"] == "yesterday"
    assert (row["topic"], row["partition"], row["original"]) == ("", None, original)
