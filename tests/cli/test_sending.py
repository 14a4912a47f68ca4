"""Touchpoints in requests of a bounded size; what became of each line is told by its number in the file."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.cli import sending
from services.cli.errors import CommandFailed
from services.cli.sending import BYTES_A_REQUEST, LINES_A_REQUEST, Sent, parts, send
from services.runtime.http_requests import Reply
from tests.runtime.test_http_requests import server


def fake_ingest(body: bytes, most: int = 10**9) -> tuple[int, dict[str, Any]]:
    """Rejects lines that hold `bad`, and bodies of more than ``most`` bytes."""
    if len(body) > most:
        return 413, {"success": False, "code": "too_large", "message": "too large"}
    lines = body.split(b"\n")
    bad = [number for number, line in enumerate(lines) if b"bad" in line]
    rejected = [{"index": number, "reason": "invalid", "path": "$", "detail": "bad"} for number in bad]
    return 200, {"success": True, "accepted": len(lines) - len(bad), "duplicates": [], "rejected": rejected}


@contextmanager
def posting(monkeypatch: pytest.MonkeyPatch, most: int = 10**9) -> Iterator[list[bytes]]:
    """``send`` without a network: the bodies that it posted."""
    posted: list[bytes] = []

    class Poster:
        def __init__(self, *_: object) -> None:
            pass

        def __class_getitem__(cls, _: object) -> Any:
            return cls

        def __enter__(self) -> "Poster":
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def post(self, bodies: Any) -> Iterator[Any]:
            for tag, body in bodies:
                posted.append(body)
                status, answer = fake_ingest(body, most)
                yield tag, Reply(status, json.dumps(answer).encode())

    monkeypatch.setattr(sending, "Poster", Poster)
    yield posted


def sums(lines: list[bytes]) -> Sent:
    *_, last = send(lines, "http://door", "key")
    return last


def test_rejected_lines_are_told_by_their_number_in_the_file_blank_lines_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    with posting(monkeypatch):
        sent = sums([b"{1}\n", b"\n", b"bad\n", b"  \n", b"{2}\n", b"bad"])
    assert (sent.accepted, sent.rejected) == (2, 2)
    assert [rejected.line for rejected in sent.examples] == [3, 6]


def test_a_request_that_is_too_large_is_sent_in_halves_until_it_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    with posting(monkeypatch, most=25) as posted:
        sent = sums([b"0123456789"] * 8 + [b"x" * 40])
    assert sent.accepted == 8
    assert [(rejected.line, rejected.reason) for rejected in sent.examples] == [(9, "too_large")]
    assert [len(body) for body in posted if len(body) <= 25 or b"\n" not in body] == [21, 21, 21, 10, 10, 40]


def test_an_unknown_key_is_said_with_its_remedy() -> None:
    with server(lambda _: (401, {})) as url, pytest.raises(CommandFailed) as failed:
        list(send([b"{}"], url, "wrong"))
    assert "keys create" in failed.value.remedy


@given(st.lists(st.binary(max_size=40).map(lambda line: line.replace(b"\n", b"")), max_size=2000))
def test_every_line_that_is_not_blank_travels_once_in_order_in_requests_of_a_bounded_size(lines: list[bytes]) -> None:
    made = list(parts(lines))
    assert [line for part in made for line in part.lines] == [line.strip() for line in lines if line.strip()]
    assert [lines[number - 1].strip() for part in made for number in part.numbers] == [line for part in made for line in part.lines]
    assert all(0 < len(part.lines) <= LINES_A_REQUEST and len(part.body) <= BYTES_A_REQUEST for part in made)
