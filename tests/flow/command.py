"""The command ``rapport`` as a user types it, against one stack."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from services.cli.board import Board, board_file, read
from services.runtime.http_requests import get

ROOT = Path(__file__).parents[2]
NO_VARIABLES: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Told:
    """What a command said and how it left."""

    code: int
    out: str
    err: str


def rapport(*arguments: str, said: bytes = b"", timeout: float = 800, variables: Mapping[str, str] = NO_VARIABLES) -> Told:
    command, environment = [sys.executable, "-m", "services.cli", *arguments], {**os.environ, **variables}
    done = subprocess.run(command, cwd=ROOT, env=environment, input=said, capture_output=True, timeout=timeout, check=False)
    return Told(done.returncode, done.stdout.decode(), done.stderr.decode())


@dataclass(frozen=True, slots=True)
class Stack:
    """A running stack in its own directory, on its own ports. ``variables``: its environment besides ours."""

    data_dir: Path
    ports: dict[str, int]
    variables: Mapping[str, str] = field(default_factory=dict)

    def up(self) -> Told:
        return rapport("up", "--detach", "--data-dir", str(self.data_dir), *self.port_options, variables=self.variables)

    @property
    def port_options(self) -> list[str]:
        return [part for name, port in self.ports.items() for part in (f"--{name}-port", str(port))]

    def run(self, *arguments: str, said: bytes = b"") -> Told:
        return rapport(*arguments, "--data-dir", str(self.data_dir), said=said)

    def board(self) -> Board:
        found = read(board_file(self.data_dir))
        assert found
        return found

    def pid_of(self, name: str) -> int:
        line = self.board().line(name)
        assert line
        assert line.pid
        return line.pid

    def asked(self, query: str) -> list[list[str]]:
        """The rows of a query, as an analyst's HTTP client gets them; none while ClickHouse is away."""
        address = f"http://127.0.0.1:{self.ports['clickhouse-http']}/?" + urlencode({"user": "analyst", "database": "rapport"})
        try:
            reply = get(f"{address}&{urlencode({'query': query + ' FORMAT TSV'})}", 10)
        except OSError:
            return []
        assert reply.status < 500 or reply.status == 503, reply.body.decode()
        return [line.split("\t") for line in reply.body.decode().splitlines()] if reply.status == 200 else []

    def number(self, query: str) -> int:
        rows = self.asked(query)
        return int(rows[0][0]) if rows else -1

    @property
    def kafka(self) -> str:
        return f"127.0.0.1:{self.ports['kafka']}"


def until(condition: Callable[[], Any], what: str, limit_s: float = 60.0) -> None:
    """Returns as soon as the condition holds."""
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {limit_s:.0f} s: {what}"
        time.sleep(0.2)


def ndjson(touchpoints: Sequence[dict[str, Any]]) -> bytes:
    return b"\n".join(json.dumps(touchpoint).encode() for touchpoint in touchpoints)
