"""Runs an embedded ClickHouse server as a process of its own for as long as a `with` block lasts."""

import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from services.embedded.processes import LOOPBACK, answers, free_port, launch, stop, wait_until_ready


@dataclass(frozen=True, slots=True)
class ClickHouseAddress:
    tcp_port: int
    http_port: int
    host: str = LOOPBACK
    pid: int = 0


def server_command(data_dir: Path, tcp_port: int, http_port: int) -> list[str]:
    ports = ["--tcp-port", str(tcp_port), "--http-port", str(http_port)]
    return [sys.executable, "-m", "services.embedded.clickhouse_server", "--data-dir", str(data_dir), *ports]


def server_answers(tcp_port: int, http_port: int) -> bool:
    """Whether both doors are open, and the HTTP one says Ok."""
    try:
        with urllib.request.urlopen(f"http://{LOOPBACK}:{http_port}/ping", timeout=1) as answer:
            return bool(answer.read() == b"Ok.\n") and answers(tcp_port)
    except (urllib.error.URLError, OSError):
        return False


@contextmanager
def running_clickhouse(data_dir: Path, tcp_port: int | None = None, http_port: int | None = None) -> Iterator[ClickHouseAddress]:
    """Runs a server in `data_dir` (on free ports unless given) and yields where it listens."""
    tcp, http = tcp_port or free_port(), http_port or free_port()
    log = data_dir / "logs" / "clickhouse.log"
    process = launch(server_command(data_dir, tcp, http), log)
    try:
        wait_until_ready(process, lambda: server_answers(tcp, http), "ClickHouse", log)
        yield ClickHouseAddress(tcp, http, pid=process.pid)
    finally:
        stop(process)
