"""One trace leads from a channel's request to the rows that analysts see."""

import secrets
from datetime import UTC, datetime

import httpx

from services.ingest.write_keys import write_keys_of
from tests.flow.collector import Collector
from tests.flow.command import Stack, until


def test_one_trace_leads_from_the_request_through_every_stage_to_the_rows_in_clickhouse(stack: Stack, collector: Collector) -> None:
    # given
    trace, sender, event_id = secrets.token_hex(16), secrets.token_hex(8), f"traced-{secrets.token_hex(4)}"
    bought = {
        "event_id": event_id,
        "type": "purchase",
        "occurred_at": datetime.now(UTC).isoformat(),
        "identifiers": [{"type": "email", "value": f"{event_id}@example.com"}],
        "payload": {"order_id": event_id, "total_minor": 5_000, "currency": "USD"},
    }
    headers = {"Authorization": f"Bearer {write_keys_of(stack.data_dir).create(event_id)}", "traceparent": f"00-{trace}-{sender}-01"}
    untraced = bought | {"event_id": f"un{event_id}"}
    # when
    with httpx.Client(base_url=f"http://127.0.0.1:{stack.ports['ingest']}", timeout=20) as client:
        until(lambda: client.post("/v1/touchpoints", json=untraced, headers={**headers, "traceparent": ""}).status_code == 200, "taken in")
        assert client.post("/v1/touchpoints", json=bought, headers=headers).status_code == 200
    # then
    led = (
        ("rapport-ingest", "POST /v1/touchpoints"),
        ("rapport-profile", "process touchpoints"),
        ("rapport-loyalty", "process profile-events"),
        ("rapport-projections", "insert loyalty-events"),
    )
    until(lambda: {*led, ("rapport-projections", "insert profile-events")} <= collector.of(trace).keys(), f"all spans of trace {trace}")
    spans = collector.of(trace)
    assert [spans[one].parent for one in led] == [sender, *(spans[one].id for one in led[:-1])]
    assert spans["rapport-projections", "insert profile-events"].parent == spans["rapport-profile", "process touchpoints"].id
    assert stack.number(f"SELECT count() FROM purchases WHERE event_id = '{event_id}'") == 1
    assert {span.trace for span in collector.spans} == {trace}
