"""What the door does with senders that are slow or leave, and with mistakes of its own."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from services.ingest import request_body
from services.ingest.door import Door
from services.ingest.request_body import Disconnected
from services.ingest.write_keys import WriteKeys
from tests.ingest.requests import KEY_OF, purchase

Receive = Callable[[], Awaitable[dict[str, Any]]]


class BrokenLog:
    """Fails in a way that nobody foresaw."""

    def check(self) -> None:
        """It seems well."""

    async def append(self, *arguments: Any) -> None:
        raise RuntimeError("nobody foresaw this")


def chunks(*messages: dict[str, Any], then: Receive | None = None) -> Receive:
    waiting = list(messages)

    async def receive() -> dict[str, Any]:
        if not waiting and then:
            return await then()
        return waiting.pop(0)

    return receive


def answered(tmp_path: Path, receive: Receive) -> tuple[int, dict[str, Any], Door]:
    keys = WriteKeys(tmp_path / "keys.json")
    headers = {b"x-write-key": keys.create("test").encode()}
    door = Door(keys, BrokenLog(), KEY_OF, 1_000_000, 100, 1_000_000)  # type: ignore[arg-type]
    answer = asyncio.run(door.answer(door.entries["/v1/touchpoints"], headers, receive))
    return answer.status, json.loads(answer.body), door


async def never() -> dict[str, Any]:
    await asyncio.Event().wait()
    raise AssertionError


def test_a_mistake_of_our_own_is_an_error_that_clients_understand_and_the_log_shows(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    body = json.dumps(purchase()).encode()
    status, answer, door = answered(tmp_path, chunks({"type": "http.request", "body": body}))
    assert (status, answer["success"], answer["code"]) == (500, False, "internal")
    assert "nobody foresaw this" in caplog.text
    assert "ada@example.com" not in caplog.text
    assert door.pending.held == 0


def test_a_sender_that_does_not_finish_is_told_so_and_holds_nothing_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_body, "WHOLE_WITHIN_SECONDS", 0.05)
    status, answer, door = answered(tmp_path, chunks({"type": "http.request", "body": b"[", "more_body": True}, then=never))
    assert (status, answer["code"]) == (408, "too_slow")
    assert door.pending.held == 0


def test_a_sender_that_leaves_before_its_body_is_whole_leaves_nothing_behind(tmp_path: Path) -> None:
    leaves = chunks({"type": "http.request", "body": json.dumps(purchase()).encode(), "more_body": True}, {"type": "http.disconnect"})
    with pytest.raises(Disconnected):
        answered(tmp_path, leaves)
