"""What the services log, at debug: which event and which customer, and nothing of what was said about a person."""

import json
from collections.abc import Iterator
from typing import Any

from tests.flow.command import Stack, until
from tests.flow.test_the_whole_way import EXAMPLES, sent, visit, with_examples

SERVICES = ("ingest", "profile", "loyalty", "projections")


def logged(stack: Stack, service: str) -> Iterator[dict[str, Any]]:
    for line in (stack.data_dir / "logs" / f"{service}.log").read_text(encoding="utf-8").splitlines():
        if line.startswith("{") and line.endswith("}"):
            yield json.loads(line)


def personal() -> set[str]:
    """What the published examples say about people: identifiers as they came and in normal form, names, and every text of some words."""
    said = {one["value"] for example in EXAMPLES for one in example["identifiers"]}
    said |= {text for example in EXAMPLES for text in texts(example["payload"])}
    telling = {text for text in said if " " in text or "@" in text}
    return telling | {text.lower() for text in telling} | {"+19785550142", "Moore"}


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from texts(one)


def test_at_debug_every_stage_says_which_event_of_which_customer_it_dealt_with(stack: Stack) -> None:
    bought = "a-purchase-in-the-logs"
    payload = {"order_id": bought, "total_minor": 900, "currency": "USD"}
    sent(stack, visit(bought, email="logged@example.com") | {"type": "purchase", "payload": payload})
    for service in ("ingest", "profile", "loyalty"):
        until(lambda service=service: of_event(stack, service, bought), f"{service} says it")  # type: ignore[misc]
    customer = of_event(stack, "profile", bought)[0]["customer_id"]
    assert of_event(stack, "loyalty", bought)[0]["customer_id"] == customer
    until(lambda: any(line.get("customer_id") == customer for line in logged(stack, "projections")), "projections say it")


def of_event(stack: Stack, service: str, event_id: str) -> list[dict[str, Any]]:
    return [line for line in logged(stack, service) if line.get("event_id") == event_id]


def test_at_no_level_anything_that_was_said_about_a_person_is_logged(stack: Stack) -> None:
    with_examples(stack)
    assert {"Ada.Moore@example.com", "+1 978 555 0142"} <= personal()
    for service in SERVICES:
        log = (stack.data_dir / "logs" / f"{service}.log").read_text(encoding="utf-8")
        assert log
        assert [text for text in personal() if text in log] == [], service
