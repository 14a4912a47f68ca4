"""Touchpoints over HTTP: lines in requests of a bounded size, several in flight, and what became of each line."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from services.cli.errors import CommandFailed
from services.runtime.http_requests import Poster, Reply, get

LINES_A_REQUEST = 500
BYTES_A_REQUEST = 1_000_000
SHOWN_REJECTIONS = 20
TOO_LARGE = 413


@dataclass(frozen=True, slots=True)
class Rejected:
    """``line`` counts from 1 in what was sent."""

    line: int
    reason: str
    path: str
    detail: str


@dataclass(slots=True)
class Sent:
    """What became of the lines so far. ``examples`` are the first rejections."""

    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0
    bytes: int = 0
    examples: list[Rejected] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Part:
    """Lines that travel in one request, each with its number."""

    numbers: list[int]
    lines: list[bytes]

    @property
    def body(self) -> bytes:
        return b"\n".join(self.lines)

    def halves(self) -> "list[Part]":
        middle = len(self.lines) // 2
        return [Part(self.numbers[:middle], self.lines[:middle]), Part(self.numbers[middle:], self.lines[middle:])]


def parts(lines: Iterable[bytes]) -> Iterator[Part]:
    """The lines that are not blank, in requests of a bounded size; their numbers count blank ones too."""
    part, size = Part([], []), 0
    for number, line in enumerate(lines, start=1):
        stripped = line.strip()
        if not stripped:
            continue
        if part.lines and (len(part.lines) >= LINES_A_REQUEST or size + len(stripped) > BYTES_A_REQUEST):
            yield part
            part, size = Part([], []), 0
        part.numbers.append(number)
        part.lines.append(stripped)
        size += len(stripped) + 1
    if part.lines:
        yield part


def require_door(door: str) -> None:
    """Raises CommandFailed where no ingest answers: at once, rather than after the patience that a busy one is given."""
    try:
        get(f"{door.rstrip('/')}/healthz", 5)
    except (OSError, ValueError) as error:
        raise CommandFailed(f"no ingest answers at {door}: {error}", "`rapport up` starts one here, --url names one elsewhere") from error


def send(lines: Iterable[bytes], door: str, write_key: str, in_flight: int = 4) -> Iterator[Sent]:
    """Sends all, and yields the sums after each request. Raises CommandFailed (the key, the request), Unreachable.

    A line that is too large by itself counts as rejected; a request that is, is sent in halves.
    """
    headers = {"Authorization": f"Bearer {write_key}", "Content-Type": "application/x-ndjson"}
    sent = Sent()
    with Poster[Part](f"{door.rstrip('/')}/v1/touchpoints", headers, in_flight) as poster:
        waiting: Iterable[Part] = parts(lines)
        while waiting:
            halves: list[Part] = []
            for part, reply in poster.post((part, part.body) for part in waiting):
                halves += _count(sent, part, reply)
                yield sent
            waiting = halves


def _count(sent: Sent, part: Part, reply: Reply) -> list[Part]:
    """Adds a reply to the sums; returns what must be sent again in smaller pieces."""
    if reply.status == TOO_LARGE and len(part.lines) > 1:
        return part.halves()
    answer = _answer(reply)
    sent.bytes += len(part.body)
    if reply.status == TOO_LARGE:
        _reject(sent, part.numbers[0], "too_large", "$", str(answer.get("message", "")))
        return []
    if reply.status != 200:
        remedy = "`rapport keys create NAME` makes a key; give it with --key" if reply.status == 401 else ""
        raise CommandFailed(f"ingest refused it (HTTP {reply.status}): {answer.get('message', reply.body[:200])}", remedy)
    sent.accepted += answer["accepted"]
    sent.duplicates += len(answer["duplicates"])
    for item in answer["rejected"]:
        _reject(sent, part.numbers[item["index"]], item["reason"], item["path"], item["detail"])
    return []


def _reject(sent: Sent, line: int, reason: str, path: str, detail: str) -> None:
    sent.rejected += 1
    if len(sent.examples) < SHOWN_REJECTIONS:
        sent.examples.append(Rejected(line, reason, path, detail))


def _answer(reply: Reply) -> dict[str, Any]:
    try:
        answer = json.loads(reply.body)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}
