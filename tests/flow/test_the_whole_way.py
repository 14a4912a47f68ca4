"""From a channel's touchpoint to customers, accounts and rows in ClickHouse, through the doors that users have."""

import asyncio
import json
import os
from datetime import UTC, datetime
from typing import Any

from aiokafka import AIOKafkaProducer

from schemas.catalogue import touchpoints
from services.cli.processes_of_ours import is_alive
from tests.flow.command import Stack, ndjson, rapport, until

EXAMPLES: list[dict[str, Any]] = [entry.example() for entry in touchpoints()]
OF_EXAMPLES = "event_id IN ({})".format(", ".join(f"'{example['event_id']}'" for example in EXAMPLES))


def visit(event_id: str, **identifiers: str) -> dict[str, Any]:
    return {
        "event_id": event_id,
        "type": "visit",
        "occurred_at": "2026-01-31T12:00:00Z",
        "source": "web",
        "identifiers": [{"type": name, "value": value} for name, value in identifiers.items()],
        "payload": {"place": "page", "name": "/"},
    }


def sent(stack: Stack, *some: dict[str, Any]) -> None:
    told = stack.run("emit", "-", said=ndjson(some))
    assert told.code == 0, told.out + told.err


def counted(stack: Stack, what: str) -> int:
    return stack.number(f"SELECT count() FROM touchpoints WHERE {what}")


def with_examples(stack: Stack) -> None:
    """Every published example is in ClickHouse."""
    sent(stack, *EXAMPLES)
    until(lambda: counted(stack, OF_EXAMPLES) == len(EXAMPLES), "the examples are in ClickHouse")


def test_every_published_example_reaches_clickhouse_once_however_often_it_is_sent(stack: Stack) -> None:
    with_examples(stack)
    sent(stack, *EXAMPLES, *EXAMPLES)
    sent(stack, visit("after-the-repeats", anonymous_id="web-7f3a"))
    until(lambda: counted(stack, "event_id = 'after-the-repeats'") == 1, "what came after the repeats is in ClickHouse")
    assert counted(stack, OF_EXAMPLES) == len(EXAMPLES)
    assert stack.number("SELECT count() - uniqExact(event_id) FROM touchpoints") == 0


def test_a_customer_is_found_by_every_identifier_and_shown_whole(stack: Stack) -> None:
    with_examples(stack)
    until(lambda: "jazz" in stack.run("customer", "customer_id:C-1042").out, "its snapshot")
    shown = {
        stack.run("customer", who).out.splitlines()[0]
        for who in ("customer_id:C-1042", "email:ADA.moore@example.com", "phone:(978) 555-0142")
    }
    assert len(shown) == 1
    whole = stack.run("customer", "customer_id:C-1042").out
    assert "47.96 USD" in whole
    assert "purchase" in whole
    assert "first_name Ada" in whole
    assert stack.run("customer", "customer_id:nobody").code == 1


def test_a_purchase_earns_points_in_the_customers_account(stack: Stack) -> None:
    with_examples(stack)
    who = "INNER JOIN customers AS c ON c.customer_id = a.customer_id WHERE has(c.customer_ids, 'C-1042')"
    query = f"SELECT earned FROM loyalty_accounts AS a {who}"
    until(lambda: stack.number(query) > 0, "points earned (by now they may have expired)")
    sums = "SELECT sum(balance) = (SELECT sum(amount) FROM loyalty_ledger WHERE ledger = 'points') FROM loyalty_accounts"
    until(lambda: stack.number(sums) == 1, "the accounts' balances are the sums of their entries")


def test_points_are_spent_once_however_often_the_command_is_repeated(stack: Stack) -> None:
    bought = {"order_id": "R-1", "total_minor": 50_000, "currency": "USD"}
    now = datetime.now(UTC).isoformat()
    sent(stack, visit("to-spend", customer_id="spender") | {"type": "purchase", "occurred_at": now, "payload": bought})
    until(lambda: stack.number("SELECT max(balance) FROM loyalty_accounts") >= 500, "the points are there")
    redeem = ("redeem", "customer_id:spender", "120", "--id", "kettle", "--why", "a kettle")
    for _ in range(2):
        told = stack.run(*redeem)
        assert told.code == 0, told.err
        assert "120 points spent" in told.out
    assert stack.run("redeem", "customer_id:spender", "121", "--id", "kettle").code == 2
    refused = stack.run("redeem", "customer_id:spender", "1000000", "--id", "car")
    assert refused.code == 2
    assert "can be spent now" in refused.err
    asked = "SELECT points, why, source, balance FROM redemptions WHERE redemption_id = 'kettle'"
    until(lambda: stack.asked(asked) != [], "it is shown")
    ((points, why, source, balance),) = stack.asked(asked)
    assert (points, why, source) == ("120", "a kettle", "rapport-cli")
    spent = "SELECT a.balance, a.redeemed, c.points FROM loyalty_accounts AS a JOIN customer_360 AS c ON c.customer_id = a.customer_id"
    until(lambda: stack.asked(f"{spent} WHERE a.redeemed > 0") == [[balance, "120", balance]], "account and customer show it")
    assert stack.number("SELECT sum(amount) FROM loyalty_ledger WHERE kind = 'redeem'") == -120


def test_what_is_no_touchpoint_is_named_line_by_line_and_kept_in_quarantine(stack: Stack) -> None:
    good, bad = visit("beside-a-bad-one", email="b@example.com"), visit("a-bad-one", email="b@example.com") | {"type": "telepathy"}
    told = stack.run("emit", "-", said=ndjson([good, bad]) + b"\nnot json\n")
    assert told.code == 2
    assert "1 accepted" in told.out
    assert "line 2: unknown_type at $.type" in told.out
    assert "line 3: not_json" in told.out
    until(lambda: "a-bad-one" in stack.run("quarantine", "list").out, "it is listed")
    (found,) = stack.asked("SELECT quarantine_id FROM quarantine WHERE event_id = 'a-bad-one'")
    assert '"telepathy"' in stack.run("quarantine", "show", found[0]).out.replace("\n", "")


def test_a_channel_that_writes_nonsense_to_the_topic_holds_nothing_up(stack: Stack) -> None:
    async def write() -> Any:
        producer = AIOKafkaProducer(bootstrap_servers=stack.kafka)
        await producer.start()
        try:
            where = await producer.send_and_wait("touchpoints", b"\xff\xfe nonsense", key=b"k")
            await producer.send_and_wait("touchpoints", json.dumps(visit("straight-to-kafka", email="k@example.com")).encode(), key=b"k")
            return where
        finally:
            await producer.stop()

    where = asyncio.run(write())
    until(lambda: counted(stack, "event_id = 'straight-to-kafka'") == 1, "the one after it is taken in")
    until(lambda: stack.run("quarantine", "show", f"touchpoints:{where.partition}:{where.offset}").code == 0, "it is in quarantine")


def test_a_service_or_engine_that_is_killed_comes_back_and_nothing_is_lost(stack: Stack) -> None:
    for number, name in enumerate(("profile", "projections", "clickhouse", "kafka")):
        before = stack.pid_of(name)
        os.kill(before, 9)
        until(lambda name=name, before=before: _is_back(stack, name, before), f"{name} is back")  # type: ignore[misc]
        sent(stack, visit(f"after-the-death-of-{name}", email=f"d{number}@example.com"))
    until(lambda: counted(stack, "event_id LIKE 'after-the-death-of-%'") == 4, "all four are in ClickHouse", 120)


def _is_back(stack: Stack, name: str, before: int) -> bool:
    line = stack.board().line(name)
    return line is not None and line.state == "running" and line.pid != before


def test_two_channels_customers_become_one_when_a_third_links_them(stack: Stack) -> None:
    sent(stack, visit("m-1", email="merge@example.com"), visit("m-2", phone="+19785550177"))
    until(lambda: counted(stack, "event_id IN ('m-1', 'm-2')") == 2, "both are there")
    sent(stack, visit("m-3", email="merge@example.com", phone="+19785550177"))
    query = "SELECT uniqExact(customer_id) * 100 + count() FROM touchpoints WHERE event_id IN ('m-1', 'm-2', 'm-3')"
    until(lambda: stack.number(query) == 103, "three touchpoints of one customer")


def test_the_state_survives_going_down_and_up_again(stack: Stack) -> None:
    with_examples(stack)
    until(lambda: stack.run("status").code == 0, "all is well")
    question = f"SELECT count(), uniqExact(customer_id), max(received_at) FROM touchpoints WHERE {OF_EXAMPLES}"
    before = stack.asked(question)
    assert stack.run("down").code == 0
    assert stack.run("status").code == 1
    again = stack.up()
    assert again.code == 0, again.out + again.err
    assert stack.asked(question) == before


def test_a_stack_whose_supervisor_was_killed_is_taken_over_by_the_next(stack: Stack) -> None:
    left = stack.board()
    os.kill(left.pid, 9)
    until(lambda: not is_alive(left.pid, left.created), "the supervisor is gone")
    assert stack.run("status").code == 1
    again = stack.up()
    assert again.code == 0, again.out + again.err
    assert [line.name for line in left.lines if is_alive(line.pid, line.created)] == []
    sent(stack, visit("after-the-supervisors-death", email="s@example.com"))
    until(lambda: counted(stack, "event_id = 'after-the-supervisors-death'") == 1, "it goes on")


def test_a_second_stack_on_one_directory_is_refused_with_the_remedy(stack: Stack) -> None:
    told = rapport("up", "--data-dir", str(stack.data_dir))
    assert told.code == 1
    assert "is up already" in told.err
    assert "rapport down" in told.err


def test_an_analyst_may_read_but_not_change(stack: Stack) -> None:
    told = stack.run("sql", "DROP TABLE rapport_store.touchpoints")
    assert told.code == 1
    assert "READONLY" in told.err or "readonly" in told.err or "ACCESS" in told.err


def test_status_and_doctor_find_everything_well(stack: Stack) -> None:
    until(lambda: stack.run("status").code == 0, "all is well")
    assert "all well" in stack.run("status").out
    told = stack.run("doctor")
    assert told.code == 0, told.out
    assert "wrong" not in told.out
