"""From quarantine back into the log: fixed, redriven or discarded by a person, through the command that people use."""

import asyncio
import json
from typing import Any

from aiokafka import AIOKafkaConsumer

from tests.flow.command import Stack, ndjson, until
from tests.flow.test_the_whole_way import counted, sent, visit

Headers = dict[str, bytes]


def purchase(event_id: str, total: Any, **changed: Any) -> dict[str, Any]:
    bought = {"order_id": event_id, "total_minor": total, "currency": "USD"}
    return visit(event_id, email=f"{event_id}@example.com") | {"type": "purchase", "payload": bought} | changed


def refused(stack: Stack, till: str, *some: dict[str, Any]) -> None:
    """Sent by a till with a write key of its own, refused at the door, and in ClickHouse."""
    key = stack.run("keys", "create", till).out.strip()
    assert stack.run("emit", "-", "--key", key, said=ndjson(some)).code == 2
    for one in some:
        until(lambda id=one["event_id"]: states(stack, id) == ["waiting"], "it waits in quarantine")  # type: ignore[misc]


def states(stack: Stack, event_id: str) -> list[str]:
    return [row[0] for row in stack.asked(f"SELECT state FROM quarantine WHERE event_id = '{event_id}'")]


def redriven_records(stack: Stack, event_id: str) -> list[Headers]:
    """The headers of the topic's records of that event that name a quarantine_id."""

    async def read() -> list[Headers]:
        consumer = AIOKafkaConsumer("touchpoints", bootstrap_servers=stack.kafka, auto_offset_reset="earliest", enable_auto_commit=False)
        await consumer.start()
        try:
            found: list[Headers] = []
            ends = await consumer.end_offsets(consumer.assignment())
            for partition, end in ends.items():
                while await consumer.position(partition) < end:
                    for record in (await consumer.getmany(partition, timeout_ms=1000)).get(partition, []):
                        if f'"event_id":"{event_id}"'.encode() in record.value and record.headers:
                            found.append(dict(record.headers))
            return [headers for headers in found if "quarantine_id" in headers]
        finally:
            await consumer.stop()

    return asyncio.run(read())


def test_a_fix_is_tried_first_and_then_puts_back_what_is_a_touchpoint_and_it_counts_once(stack: Stack) -> None:
    # given: totals sent as text, and one purchase that no such fix makes whole
    refused(stack, "q-till", purchase("q-1", "150"), purchase("q-2", "250"), purchase("q-3", "much"))
    theirs = ("--source", "q-till", "--reason", "invalid", "--type", "purchase", "--since", "2020-01-01T00:00:00Z")
    fix = ("quarantine", "fix", *theirs, "--rule", "cast $.payload.total_minor int")

    # when: only tried
    tried = stack.run(*fix, "--dry-run")

    # then: it says what would change, and nothing does
    assert tried.code == 2
    assert '"150" → 150' in tried.out
    assert "2 would go back" in tried.out
    assert "1 would stay" in tried.out
    assert redriven_records(stack, "q-1") == []

    # when: done
    done = stack.run(*fix, "--by", "ada", "--why", "text from the till")
    assert "2 went back" in done.out, done.out + done.err

    # then: counted, with who, why and how beside the original
    until(lambda: counted(stack, "event_id IN ('q-1', 'q-2')") == 2, "both are counted")
    until(lambda: states(stack, "q-1") == states(stack, "q-2") == ["redriven"], "the decisions are shown")
    assert states(stack, "q-3") == ["waiting"]
    (decision,) = stack.asked("SELECT quarantine_id, decided_by, why, fix[1], redriven_event_id FROM quarantine WHERE event_id = 'q-1'")
    assert decision[1:] == ["ada", "text from the till", "cast $.payload.total_minor int", "q-1"]

    # when: redriven again, by its id, with a JSON Patch that comes to the same
    patch = json.dumps([{"op": "replace", "path": "/payload/total_minor", "value": 150}])
    assert stack.run("quarantine", "fix", decision[0], "--patch", patch).code == 0
    sent(stack, visit("after-q-1", email="q-1@example.com"))
    until(lambda: counted(stack, "event_id = 'after-q-1'") == 1, "what came after it is counted")

    # then: the log has it twice with where it comes from, and it counts once, without a conflict
    headers = redriven_records(stack, "q-1")
    assert [one["quarantine_id"].decode() for one in headers] == [decision[0]] * 2
    assert counted(stack, "event_id = 'q-1'") == 1
    assert stack.number("SELECT gross_minor FROM customers WHERE has(emails, 'q-1@example.com')") == 150
    until(lambda: stack.asked("SELECT decisions FROM quarantine WHERE event_id = 'q-1'") == [["2"]], "both decisions are kept")

    # when: what cannot be mended is discarded
    discarded = stack.run("quarantine", "discard", *theirs, "--by", "ada")
    assert (discarded.code, discarded.out) == (0, "1 discarded.\n")
    until(lambda: states(stack, "q-3") == ["discarded"], "it is discarded")


def test_a_conflicting_duplicate_goes_back_only_under_an_event_id_of_its_own(stack: Stack) -> None:
    # given: an event_id used twice
    sent(stack, visit("q-twice", email="first@example.com"))
    sent(stack, visit("q-twice", email="second@example.com"))
    until(lambda: states(stack, "q-twice") == ["waiting"], "the second waits in quarantine")
    (id,) = stack.asked("SELECT quarantine_id FROM quarantine WHERE event_id = 'q-twice'")[0]

    # when: as it is, and with a new event_id
    as_it_is = stack.run("quarantine", "redrive", id)
    renewed = stack.run("quarantine", "fix", id, "--rule", "new_id")

    # then
    assert as_it_is.code == 2
    assert "new_id" in as_it_is.out
    assert renewed.code == 0, renewed.out + renewed.err
    until(lambda: counted(stack, f"event_id = 'redriven:{id}'") == 1, "it is counted under its own")
    assert counted(stack, "event_id = 'q-twice'") == 1
