"""The demo's input: what is real stays as it was, what is simulated says so, and all of it can be taken in."""

import csv
import gzip
import hashlib
import json
from collections import Counter
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from schemas import reading
from schemas.touchpoints import PAYLOADS
from services.demo import chats, shop
from services.demo.story import Story, story

NOW = "2026-11-22T00:00:00.000000Z"


@pytest.fixture(scope="module")
def told() -> Story:
    return story()


@pytest.fixture(scope="module")
def sent(told: Story) -> list[dict[str, Any]]:
    return [json.loads(line) for line in told.lines]


def test_the_real_log_has_the_published_totals(told: Story) -> None:
    assert told.figures.purchases == 69_659
    assert told.figures.buyers == 23_570
    assert told.figures.spent_minor == 250_031_563
    assert (told.figures.best_customer, told.figures.best_spent_minor) == ("07592", 1_399_093)


def test_the_figures_are_the_sums_of_what_is_sent(told: Story, sent: list[dict[str, Any]]) -> None:
    spent: Counter[str] = Counter()
    for touchpoint in sent:
        if touchpoint["type"] == "purchase":
            spent[touchpoint["identifiers"][0]["value"]] += touchpoint["payload"]["total_minor"]
    assert len(spent) == told.figures.buyers
    assert spent.total() == told.figures.spent_minor
    assert spent.most_common(1) == [(told.figures.best_customer, told.figures.best_spent_minor)]


def test_every_purchase_is_a_row_of_the_log_moved_by_28_years_and_no_other(sent: list[dict[str, Any]]) -> None:
    with gzip.open(shop.FILE, "rt") as lines:
        rows = list(csv.DictReader(lines))
    bought = sorted((touchpoint for touchpoint in sent if touchpoint["type"] == "purchase"), key=lambda t: t["event_id"])
    assert len(bought) == len(rows)
    for row, touchpoint in zip(rows, bought, strict=True):
        then, now = date.fromisoformat(row["date"]), date.fromisoformat(touchpoint["occurred_at"][:10])
        payload = touchpoint["payload"]
        assert (now.year - then.year, now.month, now.day, now.weekday()) == (28, then.month, then.day, then.weekday())
        assert Decimal(payload["total_minor"]) / 100 == Decimal(row["amount_usd"])
        assert payload["lines"][0]["quantity"] == int(row["quantity"])
        assert touchpoint["identifiers"] == [{"type": "customer_id", "value": row["customer_id"]}]
        assert "context" not in touchpoint


def test_purchases_that_cost_nothing_are_kept(sent: list[dict[str, Any]]) -> None:
    assert sum(touchpoint["type"] == "purchase" and touchpoint["payload"]["total_minor"] == 0 for touchpoint in sent) == 80


def test_every_message_of_every_chat_is_there_on_its_weekday_and_hour(sent: list[dict[str, Any]]) -> None:
    with gzip.open(chats.FILE, "rt") as lines:
        recorded = [message for line in lines for message in json.loads(line)["messages"]]
    said = [touchpoint for touchpoint in sent if touchpoint["type"] == "chat"]
    assert sorted(touchpoint["payload"]["message"] for touchpoint in said) == sorted(message["text"] for message in recorded)
    hours = Counter(
        (date.fromisoformat(message["sent_at"][:10]).weekday(), message["sent_at"][11:19], message["text"]) for message in recorded
    )
    moved = Counter(
        (date.fromisoformat(touchpoint["occurred_at"][:10]).weekday(), touchpoint["occurred_at"][11:19], touchpoint["payload"]["message"])
        for touchpoint in said
    )
    assert moved == hours


def test_everything_but_purchases_and_chats_says_that_it_is_simulated(sent: list[dict[str, Any]]) -> None:
    for touchpoint in sent:
        real = touchpoint["type"] in ("purchase", "chat")
        assert touchpoint.get("context", {}).get("simulated", False) is not real


def test_every_type_of_touchpoint_occurs(told: Story) -> None:
    assert set(told.by_type) == {kind for kind, _ in PAYLOADS}


def test_every_line_is_a_touchpoint_with_an_id_of_its_own_in_the_order_of_time(told: Story) -> None:
    ids, before = set(), ""
    for line in told.lines:
        touchpoint, _ = reading.read(line, NOW)
        ids.add(touchpoint.event_id)
        assert touchpoint.occurred_at >= before
        before = touchpoint.occurred_at
    assert len(ids) == len(told.lines)


def test_the_same_story_is_told_on_every_machine(told: Story) -> None:
    """If you change the story on purpose, put the new digest here."""
    assert hashlib.sha256(b"\n".join(told.lines)).hexdigest() == "98842b46b514927f436d616660a0f84855e2cecbfbc7fdcab4c3d8bd26c85eec"


def test_channels_know_a_customer_by_different_identifiers(sent: list[dict[str, Any]]) -> None:
    kinds: dict[str, set[str]] = {}
    for touchpoint in sent:
        kinds.setdefault(touchpoint["source"], set()).update(identifier["type"] for identifier in touchpoint["identifiers"])
    assert kinds["phone"] == {"phone"}
    assert kinds["mail"] == {"email"}
    assert kinds["webchat"] >= {"handle", "anonymous_id"}
    assert kinds["shop"] >= {"customer_id", "email", "phone"}


def test_mistakes_are_refused_at_the_door_or_readable_as_meant(told: Story) -> None:
    for line in told.mistakes.unreadable.values():
        with pytest.raises(reading.Unreadable):
            reading.read(line, NOW)
    for touchpoint in (*told.mistakes.repeats, *told.mistakes.conflicts, *told.mistakes.nobodys):
        reading.read(json.dumps(touchpoint).encode(), NOW)


def test_a_conflicting_mistake_repeats_an_id_with_another_amount(told: Story) -> None:
    amounts = {touchpoint["event_id"]: touchpoint["payload"]["total_minor"] for touchpoint in told.mistakes.repeats}
    assert told.mistakes.conflicts
    for touchpoint in told.mistakes.conflicts:
        assert amounts[touchpoint["event_id"]] != touchpoint["payload"]["total_minor"]
