"""The HTTP door for redemptions, as a till sees it: the real application over a real stage."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from services.loyalty.door import MAX_BODY_BYTES, create_app
from services.loyalty.redeem_keys import redeem_keys_of
from services.loyalty.redeeming import Redeem
from services.runtime.commands import Unanswered
from services.runtime.tracing import Tracer
from tests.loyalty.installation import Installation
from tests.loyalty.profile_world import World, identifier, purchase
from tests.loyalty.told import EUROS, programme

ANN = identifier("ann")
DOOR = "/v1/redemptions"
Ask = Callable[[Redeem], Awaitable[Any]]


class Till:
    """Posts to the door with a key of its own, in front of a stage in which Ann has 100 points."""

    def __init__(self, folder: Path, ask: Ask | None = None) -> None:
        self.installation = Installation(programme(EUROS))
        self.installation.read([World().touch("ann", purchase("p", 0, 100_00))])
        self.installation.tick(1)
        self.keys = redeem_keys_of(folder)
        self.key = self.keys.create("till-berlin")
        self.app = create_app(ask or self._ask, self.keys)

    async def _ask(self, command: Redeem) -> Any:
        (answer,) = self.installation.answer(command)
        return answer

    def send(self, method: str, path: str, **request: Any) -> httpx.Response:
        async def exchange() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://loyalty") as client:
                return await client.request(method, path, **request)

        return asyncio.run(exchange())

    def redeem(self, headers: dict[str, str] | None = None, **body: Any) -> httpx.Response:
        return self.send("POST", DOOR, json=body, headers={"Authorization": f"Bearer {self.key}"} | (headers or {}))


@pytest.fixture
def till(tmp_path: Path) -> Till:
    return Till(tmp_path)


def test_points_are_spent_and_a_repeat_is_answered_the_same(till: Till) -> None:
    body = {"customer_id": ANN, "points": 70, "why": "a kettle"}
    first = till.redeem(redemption_id="r1", **body)
    assert first.status_code == 200
    assert first.json() == {
        "success": True,
        "redemption_id": "r1",
        "customer_id": ANN,
        "points": 70,
        "occurred_at": "2025-01-02T00:00:00.000000Z",
        "balance": 30,
    }
    again = till.redeem({"Idempotency-Key": "r1"}, **body)
    assert (again.status_code, again.content) == (200, first.content)
    assert ("idempotent-replayed" in first.headers, again.headers["idempotent-replayed"]) == (False, "true")
    (said,) = [json.loads(event.state) for event in till.installation.events() if event.type == "redemption_accepted"]
    assert (said["source"], said["why"]) == ("till-berlin", "a kettle")


TRACE = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"


class Traced(Till):
    """Notes what the stage is asked; ``exporter`` has the spans."""

    def __init__(self, folder: Path, tracing: bool) -> None:
        super().__init__(folder)
        self.exporter, self.asked = InMemorySpanExporter(), list[Redeem]()
        self.tracer = Tracer("loyalty", self.exporter) if tracing else None
        self.app = create_app(self._noted, self.keys, self.tracer)

    async def _noted(self, command: Redeem) -> Any:
        self.asked.append(command)
        return await self._ask(command)


def test_without_tracing_a_traceparent_is_handed_on_as_it_came_and_nothing_else_by_that_name(tmp_path: Path) -> None:
    till = Traced(tmp_path, tracing=False)
    for number, header in enumerate((TRACE, "nonsense")):
        assert till.redeem({"traceparent": header}, redemption_id=f"r{number}", customer_id=ANN, points=1).status_code == 200
    assert [command.traceparent for command in till.asked] == [TRACE.encode(), None]


def test_with_tracing_what_a_command_leads_to_goes_on_under_its_own_span(tmp_path: Path) -> None:
    till = Traced(tmp_path, tracing=True)
    assert till.redeem({"traceparent": TRACE}, redemption_id="r1", customer_id=ANN, points=1).status_code == 200
    assert till.tracer
    till.tracer.close()
    (span,) = till.exporter.get_finished_spans()
    assert span.name == "POST /v1/redemptions"
    assert span.parent
    assert span.context
    assert f"{span.parent.span_id:016x}" == "b" * 16
    (command,) = till.asked
    assert command.traceparent == f"00-{'a' * 32}-{span.context.span_id:016x}-01".encode()


def test_a_refusal_says_what_there_is(till: Till) -> None:
    answer = till.redeem(redemption_id="r1", customer_id=ANN, points=101)
    assert answer.status_code == 409
    assert answer.json() == {
        "success": False,
        "code": "insufficient_points",
        "message": "101 points are wanted and 100 can be spent now (balance 100): nothing was spent",
        "balance": 100,
        "available": 100,
    }


def test_an_id_that_was_used_and_a_customer_that_is_unknown_are_told_apart(till: Till) -> None:
    till.redeem(redemption_id="r1", customer_id=ANN, points=70)
    conflict = till.redeem(redemption_id="r1", customer_id=ANN, points=71)
    assert (conflict.status_code, conflict.json()["code"]) == (409, "conflicting_redemption")
    assert "70 points" in conflict.json()["message"]
    unknown = till.redeem(redemption_id="r2", customer_id=identifier("nobody"), points=1)
    assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown_customer")


def test_only_a_known_key_spends_points(till: Till) -> None:
    body = {"redemption_id": "r1", "customer_id": ANN, "points": 1}
    for header in ({}, {"Authorization": "Bearer rk_wrong"}, {"Authorization": f"Basic {till.key}"}, {"X-Write-Key": till.key}):
        answer = till.send("POST", DOOR, json=body, headers=header)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
        assert answer.headers["www-authenticate"].startswith("Bearer")
    assert till.installation.account(ANN)["balance"] == 100


WRONG = [
    ({}, "$.customer_id"),
    ({"customer_id": "ann"}, "$.customer_id"),
    ({"customer_id": ANN.upper()}, "$.customer_id"),
    ({"points": 0}, "$.points"),
    ({"points": -1}, "$.points"),
    ({"points": 1.5}, "$.points"),
    ({"points": "7"}, "$.points"),
    ({"points": True}, "$.points"),
    ({"points": 10**30}, "$.points"),
    ({"redemption_id": ""}, "$.redemption_id"),
    ({"redemption_id": None}, "$.redemption_id"),
    ({"redemption_id": "a\x00b"}, "$.redemption_id"),
    ({"redemption_id": "x" * 201}, "$.redemption_id"),
    ({"why": "a\x00b"}, "$.why"),
    ({"why": "x" * 2001}, "$.why"),
    ({"unknown": 1}, "$.unknown"),
]


@pytest.mark.parametrize(("wrong", "path"), WRONG, ids=lambda one: str(one)[:40])
def test_what_is_no_such_command_is_refused_with_the_field(till: Till, wrong: dict[str, Any], path: str) -> None:
    answer = till.redeem(**({"customer_id": ANN, "points": 1, "redemption_id": "r1"} | wrong if wrong else {}))
    assert (answer.status_code, answer.json()["code"], answer.json()["path"]) == (422, "invalid", path)
    assert till.installation.account(ANN)["balance"] == 100


def test_the_id_comes_in_the_body_or_in_the_header_and_must_be_one(till: Till) -> None:
    body = {"customer_id": ANN, "points": 1}
    assert till.redeem({"Idempotency-Key": "r1"}, redemption_id="r1", **body).status_code == 200
    assert till.redeem({"Idempotency-Key": "r2"}, redemption_id="r1", **body).status_code == 422
    assert till.redeem({"Idempotency-Key": "x" * 201}, **body).json()["path"] == "Idempotency-Key"
    assert till.redeem(**body).json()["path"] == "$.redemption_id"


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff", b"[" * 5_000, b'{"points": NaN}', b"null", b'{"why": "\\ud800"}'])
def test_nonsense_is_refused_and_nothing_breaks(till: Till, raw: bytes) -> None:
    answer = till.send("POST", DOOR, content=raw, headers={"Authorization": f"Bearer {till.key}"})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")


def test_a_body_that_is_too_large_is_not_read_to_its_end(till: Till) -> None:
    answer = till.send("POST", DOOR, content=b" " * (MAX_BODY_BYTES + 1), headers={"Authorization": f"Bearer {till.key}"})
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


def test_a_compressed_body_is_refused_as_such(till: Till) -> None:
    answer = till.send("POST", DOOR, content=b"\x1f\x8b", headers={"Authorization": f"Bearer {till.key}", "Content-Encoding": "gzip"})
    assert (answer.status_code, answer.json()["code"]) == (415, "unknown_encoding")


def test_while_the_store_is_away_it_is_said_when_to_come_again(tmp_path: Path) -> None:
    async def away(command: Redeem) -> Any:
        raise Unanswered("it could not be stored: OperationalError('disk I/O error')")

    answer = Till(tmp_path, away).redeem(redemption_id="r1", customer_id=ANN, points=1)
    assert (answer.status_code, answer.headers["retry-after"], answer.json()["code"]) == (503, "1", "unanswered")


def test_a_mistake_of_rapports_own_is_an_answer_too(tmp_path: Path) -> None:
    async def broken(command: Redeem) -> Any:
        raise ValueError("secret")

    answer = Till(tmp_path, broken).redeem(redemption_id="r1", customer_id=ANN, points=1)
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert "secret" not in answer.text


def test_the_door_describes_itself(till: Till) -> None:
    described = till.send("GET", "/openapi.json").json()["paths"][DOOR]["post"]
    assert set(described["responses"]) == {"200", "401", "404", "409", "413", "415", "422", "503"}
    assert described["security"]
    assert "redemption_id" in json.dumps(described["requestBody"])
    assert till.send("GET", "/docs").status_code == 200
    assert till.send("GET", "/nowhere").json()["code"] == "not_found"
    assert till.send("GET", DOOR).json()["code"] == "method_not_allowed"
    assert till.send("GET", DOOR).json()["message"].startswith("GET is not allowed here, POST is")
