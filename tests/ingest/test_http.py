"""The HTTP door, as a channel sees it: a real client, the real service, a real Kafka."""

import asyncio
import base64
import gzip
import json
import os
import re
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiokafka.structs import ConsumerRecord

from schemas import times
from schemas.quarantine import Quarantined
from schemas.reading import read
from tests.ingest.requests import purchase, records_where, without
from tests.ingest.running_ingest import SOURCE, Ingest

DOOR = "/v1/touchpoints"


def new_id() -> str:
    return uuid.uuid4().hex


def in_log(kafka: str, *event_ids: str) -> list[ConsumerRecord]:
    wanted = {event_id.encode() for event_id in event_ids}
    return records_where(kafka, "touchpoints", lambda record: any(event_id in record.value for event_id in wanted))


def in_quarantine(kafka: str, mark: str) -> list[Quarantined]:
    records = records_where(kafka, "quarantine", lambda record: mark.encode() in record.value)
    return [Quarantined.model_validate_json(record.value) for record in records]


def test_what_was_answered_200_is_in_the_log_whole_and_keyed(http: httpx.Client, kafka: str) -> None:
    event_id, trace = new_id(), f"00-{'a' * 32}-{'b' * 16}-01"
    answer = http.post(DOOR, json=without(purchase(event_id), "source"), headers={"traceparent": trace})
    assert answer.status_code == 200
    assert answer.json() == {"success": True, "accepted": 1, "duplicates": [], "rejected": []}
    [record] = in_log(kafka, event_id)
    touchpoint, payload = read(record.value, times.from_millis(record.timestamp))
    assert (record.key, touchpoint.source, payload.total_minor) == (b"email:ada@example.com", SOURCE, 900)
    assert record.headers == (("traceparent", trace.encode()),)
    assert record.timestamp == times.to_micros(touchpoint.received_at) // 1000


def test_a_mixed_batch_is_answered_by_index_and_its_rejected_items_are_in_quarantine(http: httpx.Client, kafka: str) -> None:
    good, bad, mark = new_id(), new_id(), new_id()
    answer = http.post(DOOR, json=[purchase(good), purchase(good), purchase(bad, type="teleport", context={"mark": mark}), 17])
    body = answer.json()
    assert (answer.status_code, body["accepted"], body["duplicates"]) == (200, 1, [{"index": 1, "event_id": good}])
    assert [(r["index"], r["event_id"], r["reason"], r["path"]) for r in body["rejected"]] == [
        (2, bad, "unknown_type", "$.type"),
        (3, None, "invalid", "$"),
    ]
    [kept] = in_quarantine(kafka, mark)
    assert (kept.event_id, kept.reason, kept.stage, kept.source) == (bad, "unknown_type", "ingest", SOURCE)
    assert json.loads(kept.original)["context"] == {"mark": mark}
    assert len(in_log(kafka, good, bad)) == 1


@pytest.mark.parametrize("layout", ["ndjson", "ndjson as json", "array", "gzip", "two gzip members"])
def test_every_way_of_sending_several_arrives(http: httpx.Client, kafka: str, layout: str) -> None:
    ids = [new_id(), new_id()]
    lines = b"\n".join(json.dumps(purchase(event_id)).encode() for event_id in ids) + b"\n"
    headers, content = {"Content-Type": "application/json"}, lines
    if layout == "ndjson":
        headers = {"Content-Type": "application/x-ndjson"}
    elif layout == "array":
        content = json.dumps([purchase(event_id) for event_id in ids]).encode()
    elif layout == "gzip":
        headers, content = {**headers, "Content-Encoding": "gzip"}, gzip.compress(lines)
    elif layout == "two gzip members":
        headers, content = {**headers, "Content-Encoding": "gzip"}, gzip.compress(lines[:50]) + gzip.compress(lines[50:])
    assert http.post(DOOR, content=content, headers=headers).json()["accepted"] == 2
    assert len(in_log(kafka, *ids)) == 2


def test_two_hundred_requests_at_once_are_all_in_the_log(ingest: Ingest, kafka: str) -> None:
    ids = [new_id() for _ in range(200)]

    async def send_all() -> list[httpx.Response]:
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{ingest.port}", timeout=20, limits=httpx.Limits(max_connections=200)
        ) as many:
            headers = {"X-Write-Key": ingest.key}
            person = [{"type": "customer_id", "value": "c"}]
            return await asyncio.gather(*(many.post(DOOR, json=purchase(i, identifiers=person), headers=headers) for i in ids))

    assert {answer.status_code for answer in asyncio.run(send_all())} == {200}
    assert len(in_log(kafka, *ids)) == 200


def key_headers(ingest: Ingest) -> list[dict[str, str]]:
    basic, bare = (base64.b64encode(f"{ingest.key}{end}".encode()).decode() for end in (":", ""))
    return [
        {"Authorization": f"Bearer {ingest.key}"},
        {"Authorization": f"Basic {basic}"},
        {"Authorization": f"basic {bare}"},
        {"X-Write-Key": ingest.key},
    ]


def test_the_write_key_is_taken_wherever_real_senders_put_it(ingest: Ingest) -> None:
    address = f"http://127.0.0.1:{ingest.port}"
    call = {"userId": "u", "event": "x", "timestamp": "2026-01-01T00:00:00Z"}
    for headers in key_headers(ingest):
        assert httpx.post(address + DOOR, json=purchase(new_id()), headers=headers).status_code == 200
        assert httpx.post(address + "/v1/track", json=call, headers=headers).status_code == 200
    with_token = {"Authorization": "Bearer somebody-elses-token"}
    assert httpx.post(address + "/v1/track", json={**call, "writeKey": ingest.key}, headers=with_token).status_code == 200
    assert httpx.post(address + "/v1/batch", json={"batch": [{**call, "type": "track"}], "writeKey": ingest.key}).status_code == 200


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer rk_wrong"}, {"Authorization": "Basic !"}, {"X-Write-Key": "é"}])
@pytest.mark.parametrize("path", [DOOR, "/v1/track", "/v1/batch"])
def test_a_stranger_is_refused_and_told_how_to_send_a_key(ingest: Ingest, path: str, headers: dict[str, str]) -> None:
    encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
    answer = httpx.post(f"http://127.0.0.1:{ingest.port}{path}", json={"batch": [], "writeKey": None}, headers=encoded)
    assert (answer.status_code, answer.json()["success"], answer.json()["code"]) == (401, False, "unauthorized")
    assert "Bearer" in answer.json()["message"]


BOMB = gzip.compress(b" " * 50_000_000, mtime=0)


@pytest.mark.parametrize(
    ("content", "headers", "status", "words"),
    [
        (b'{"event_id": "x", "a": NaN}', {}, 400, "byte 23"),
        (b'[{"event_id":"x"},', {}, 400, "byte 18"),
        (b"", {}, 400, "empty"),
        (b"\xff\xfe\x00", {}, 400, "neither"),
        (b"not gzip", {"Content-Encoding": "gzip"}, 400, "not gzip"),
        (gzip.compress(b"[]", mtime=0)[:-4], {"Content-Encoding": "gzip"}, 400, "end too early"),
        (gzip.compress(b"", mtime=0) * 100, {"Content-Encoding": "gzip"}, 400, "members"),
        (b"[]", {"Content-Encoding": "br"}, 415, "gzip"),
        (b"[" + b" " * 10_000_000 + b"]", {}, 413, "1000000 bytes"),
        (BOMB, {"Content-Encoding": "gzip"}, 413, "decompressed"),
        (b"[" + b"0," * 1000 + b"0]", {}, 413, "more than 1000 items"),
    ],
)
def test_a_body_that_cannot_be_taken_is_refused_whole(
    http: httpx.Client, content: bytes, headers: dict[str, str], status: int, words: str
) -> None:
    answer = http.post(DOOR, content=content, headers=headers)
    assert (answer.status_code, answer.json()["success"]) == (status, False)
    assert words in answer.json()["message"]


def test_a_body_of_unknown_length_is_cut_off_at_the_limit(http: httpx.Client) -> None:
    answer = http.post(DOOR, content=(b" " * 100_000 for _ in range(30)))
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


POISON: dict[str, tuple[bytes, str]] = {
    "depth": (b'{"a":' + b"[" * 10_000 + b"]" * 10_000 + b"}", "too_deep"),
    "utf-8": (b'{"event_id":"\xff"}', "not_utf8"),
    "nul": (b'{"event_id":"a\\u0000"}', "nul_character"),
    "large": (json.dumps(purchase(context={"a": "x" * 500_000})).encode(), "too_large"),
    "year 9999": (json.dumps(purchase(occurred_at="9999-12-31T23:59:59Z")).encode(), "time_out_of_range"),
    "negative": (json.dumps(purchase(payload={"order_id": "1", "total_minor": -1, "currency": "EUR"})).encode(), "invalid"),
}


@pytest.mark.parametrize("name", POISON)
def test_poison_is_quarantined_with_its_reason_and_its_neighbours_pass(http: httpx.Client, kafka: str, name: str) -> None:
    poison, reason = POISON[name]
    neighbour = new_id()
    answer = http.post(DOOR, content=b"[" + json.dumps(purchase(neighbour)).encode() + b"," + poison + b"]")
    assert (answer.status_code, answer.json()["accepted"], answer.json()["rejected"][0]["reason"]) == (200, 1, reason)
    assert len(in_log(kafka, neighbour)) == 1
    kept = in_quarantine(kafka, f'"reason":"{reason}"')
    originals = [base64.b64decode(each.original) if each.encoding == "base64" else each.original.encode() for each in kept]
    assert poison in originals


def test_a_broken_line_of_ndjson_is_quarantined_alone(http: httpx.Client, kafka: str) -> None:
    first, second, mark = new_id(), new_id(), new_id()
    lines = [json.dumps(purchase(first)), f'{{"event_id":"{mark}", NaN', json.dumps(purchase(second))]
    answer = http.post(DOOR, content="\n".join(lines), headers={"Content-Type": "application/x-ndjson"})
    assert (answer.json()["accepted"], answer.json()["rejected"][0]["reason"]) == (2, "not_json")
    assert [kept.original for kept in in_quarantine(kafka, mark)] == [lines[1]]


def test_segments_batch_is_taken_and_answered_as_its_clients_expect(http: httpx.Client, kafka: str) -> None:
    order, page = new_id(), new_id()
    calls = [
        {"type": "track", "event": "Order Completed", "messageId": order, "userId": "u", "properties": {"order_id": order, "total": 9.99}},
        {"type": "page", "messageId": page, "anonymousId": "a"},
        {"type": "track", "messageId": "m", "userId": "u"},
    ]
    answer = http.post("/v1/batch", json={"batch": calls, "sentAt": "2026-01-01T00:00:00Z"})
    assert answer.status_code == 200
    assert answer.json() == {
        "success": True,
        "accepted": 2,
        "duplicates": [],
        "rejected": [
            {"index": 2, "messageId": "m", "code": "invalid", "message": "a track call needs the name of its event", "path": "$.event"}
        ],
    }
    found = {record.key: json.loads(record.value) for record in in_log(kafka, order, page)}
    assert found[b"customer_id:u"]["payload"]["total_minor"] == 999
    assert (found[b"anonymous_id:a"]["type"], found[b"anonymous_id:a"]["source"]) == ("visit", SOURCE)


@pytest.mark.parametrize(
    "path", ["/v1/identify", "/v1/i/", "/v1/track/", "/v1/t", "/v1/page", "/v1/p", "/v1/screen", "/v1/s", "/v1/group", "/v1/g"]
)
def test_segments_calls_are_taken_on_long_and_short_paths_with_and_without_a_slash(http: httpx.Client, path: str) -> None:
    call = {"userId": "u", "event": "x", "messageId": new_id(), "traits": {}, "groupId": "g"}
    answer = http.post(path, content=json.dumps(call), headers={"Content-Type": "text/plain"})
    assert (answer.status_code, answer.json()["success"], answer.json()["accepted"]) == (200, True, 1)


def test_aliases_and_the_short_batch_are_taken_too(http: httpx.Client) -> None:
    alias = {"userId": "u", "previousId": "a", "messageId": new_id()}
    assert http.post("/v1/a/", json=alias).json()["accepted"] == 1
    assert http.post("/v1/b", json={"batch": [{**alias, "type": "alias"}]}).json()["accepted"] == 1
    assert http.post("/v1/m", json={"series": []}).json() == {"success": True}


def test_the_browser_sdk_finds_its_settings_and_may_come_from_anywhere(http: httpx.Client, ingest: Ingest) -> None:
    settings = http.get(f"/v1/projects/{ingest.key}/settings").json()["integrations"]["Segment.io"]
    assert settings == {"apiKey": ingest.key, "apiHost": f"127.0.0.1:{ingest.port}/v1", "protocol": "http"}
    assert http.get("/v1/projects/rk_other/settings").status_code == 404
    asks = {
        "Origin": "https://shop.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,x-retry-count",
    }
    may = http.options("/v1/t", headers=asks)
    assert (may.status_code, may.headers["access-control-allow-origin"]) == (200, "*")
    assert "x-retry-count" in may.headers["access-control-allow-headers"].lower()
    sent = http.post("/v1/t", json={"userId": "u", "event": "x"}, headers={"Origin": "https://shop.example"})
    assert sent.headers["access-control-allow-origin"] == "*"


def test_the_description_names_every_path_type_and_refusal(http: httpx.Client) -> None:
    description = http.get("/openapi.json").json()
    assert description["openapi"].startswith("3.1")
    takes = description["paths"][DOOR]["post"]
    assert set(takes["responses"]) >= {"200", "400", "401", "413", "429", "503"}
    schemas = description["components"]["schemas"]
    assert set(schemas["Touchpoint"]["discriminator"]["mapping"]) >= {"purchase", "call", "survey", "custom"}
    assert "total_minor" in schemas["Purchase"]["properties"]
    assert_references_resolve(description, schemas)
    for example in takes["requestBody"]["content"]["application/json"]["examples"].values():
        assert http.post(DOOR, json=example["value"]).json()["rejected"] == []
    for path in ("identify", "track", "page", "screen", "group", "alias", "batch"):
        for example in description["paths"][f"/v1/{path}"]["post"]["requestBody"]["content"]["application/json"]["examples"].values():
            assert http.post(f"/v1/{path}", json=example["value"]).json()["rejected"] == []


@pytest.mark.parametrize("page", ["/docs", "/redoc"])
def test_the_pages_load_nothing_from_other_sites(http: httpx.Client, page: str) -> None:
    text = http.get(page).text
    loaded = re.findall(r'(?:src|href)="([^"]+)"', text)
    assert loaded
    assert [address for address in loaded if http.get(address).status_code != 200 or not address.startswith("/")] == []


def assert_references_resolve(part: Any, schemas: dict[str, Any]) -> None:
    if isinstance(part, dict):
        if isinstance(reference := part.get("$ref"), str):
            assert reference.removeprefix("#/components/schemas/") in schemas
        for inner in part.values():
            assert_references_resolve(inner, schemas)
    elif isinstance(part, list):
        for inner in part:
            assert_references_resolve(inner, schemas)


def test_operators_see_health_and_figures_and_visitors_a_pointer(http: httpx.Client) -> None:
    http.post(DOOR, json=[purchase(new_id()), {"event_id": "x"}])
    http.post(DOOR, content=b"")
    assert (http.get("/healthz").status_code, http.get("/readyz").status_code) == (200, 200)
    figures = http.get("/metrics").text
    for line in (
        'rapport_ingest_items_total{outcome="accepted",reason=""}',
        'rapport_ingest_items_total{outcome="rejected",reason="invalid"}',
        'rapport_ingest_requests_refused_total{code="unparsable"}',
        'rapport_ingest_request_seconds_count{door="touchpoints"}',
        "rapport_ingest_pending_bytes 0.0",
        "rapport_ingest_kafka_up 1.0",
    ):
        assert line in figures
    assert http.get("/").json()["docs"] == "/docs"
    for method, path, code in (("GET", "/nowhere", "not_found"), ("GET", DOOR, "method_not_allowed")):
        assert http.request(method, path).json()["code"] == code
    assert http.get(DOOR).json()["message"] == "GET is not allowed here, POST is: see /docs for what there is"


def test_a_port_that_is_taken_ends_the_start_with_the_remedy(ingest: Ingest, tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "RAPPORT_DATA_DIR": str(tmp_path),
        "RAPPORT_INGEST_PORT": str(ingest.port),
        "RAPPORT_KAFKA_BOOTSTRAP": "127.0.0.1:1",
    }
    ended = subprocess.run(
        [sys.executable, "-m", "services.ingest.app"], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 1
    assert "RAPPORT_INGEST_PORT" in ended.stderr
