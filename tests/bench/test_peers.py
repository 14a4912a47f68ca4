"""The peers: what they must come to, and that each can be had exactly as it was measured."""

import copy
import re

import pytest

from bench.peers.catalogue import PEERS, named
from bench.peers.environments import HERE, KAFKA_STREAMS_JARS
from bench.peers.expected import Expected, difference, expected
from bench.traffic import simple_touchpoints
from services.embedded.jar_list import read_jar_list
from services.embedded.kafka import KAFKA_VERSION

LOG = [
    (b"C1", b'{"event_id":"a","type":"purchase","occurred_at":"2026-10-02T00:00:00Z","payload":{"total_minor":1999,"currency":"EUR"}}'),
    (b"C1", b'{"event_id":"b","type":"chat","occurred_at":"2026-10-01T00:00:00Z","payload":{}}'),
    (b"C2", b'{"event_id":"c","type":"call","occurred_at":"2026-10-03T00:00:00Z","payload":{}}'),
    (b"C1", b'{"event_id":"a","type":"purchase","occurred_at":"2026-10-02T00:00:00Z","payload":{"total_minor":1999,"currency":"EUR"}}'),
]


def test_a_repeat_counts_once_and_a_late_touchpoint_does_not_move_last_seen() -> None:
    found = expected(LOG)
    assert (found.taken_in, found.published) == (4, 3)
    assert found.profiles["C1"] == {
        "counts": {"purchase": 1, "chat": 1},
        "spend_minor": {"EUR": 1999},
        "points": 19,
        "last_seen": "2026-10-02T00:00:00Z",
    }


@pytest.fixture
def wanted() -> Expected:
    return expected(simple_touchpoints(5, 40))


def test_what_equals_the_fold_is_right(wanted: Expected) -> None:
    assert difference(wanted, wanted.published, copy.deepcopy(wanted.profiles)) == ""


def test_a_message_too_many_is_wrong(wanted: Expected) -> None:
    assert "messages instead of" in difference(wanted, wanted.published + 1, wanted.profiles)


def test_a_customer_too_few_is_wrong(wanted: Expected) -> None:
    fewer = dict(list(wanted.profiles.items())[1:])
    assert "4 customers instead of 5" in difference(wanted, wanted.published, fewer)


def test_a_single_wrong_sum_is_wrong(wanted: Expected) -> None:
    spoilt = copy.deepcopy(wanted.profiles)
    name = next(iter(spoilt))
    spoilt[name]["points"] += 1
    assert difference(wanted, wanted.published, spoilt) == f"1 customers differ, such as {name}"


@pytest.mark.parametrize("file", sorted(HERE.glob("requirements-*.txt")), ids=lambda file: file.stem)
def test_every_package_of_a_peer_is_locked_with_hashes(file: object) -> None:
    blocks = re.split(r"\n(?=\S)", file.read_text().strip())  # type: ignore[attr-defined]
    assert all("==" in block and "--hash=sha256:" in block for block in blocks)


def test_kafka_streams_is_of_the_version_of_the_broker() -> None:
    streams = next(jar for jar in read_jar_list(KAFKA_STREAMS_JARS) if jar.artifact == "kafka-streams")
    assert streams.version == KAFKA_VERSION


def test_every_peer_says_which_version_it_is() -> None:
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", peer.version()) for peer in PEERS)


def test_an_unknown_peer_is_named() -> None:
    with pytest.raises(KeyError, match="sparkling"):
        named(["faust", "sparkling"])
