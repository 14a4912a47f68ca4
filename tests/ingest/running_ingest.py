"""The real service in a process of its own, and a client for it."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from services.embedded.processes import free_port, launch, stop
from services.ingest.write_keys import write_keys_of

SOURCE = "test-key"


@dataclass(frozen=True)
class Ingest:
    """A running service. ``client`` sends the write key."""

    port: int
    key: str
    client: httpx.Client
    process: subprocess.Popen[bytes]
    log: Path

    def resident_megabytes(self) -> float:
        return float(psutil.Process(self.process.pid).memory_info().rss) / 1e6


@contextmanager
def running_ingest(directory: Path, bootstrap: str, **settings: str) -> Iterator[Ingest]:
    """Alive when it is yielded; Kafka may be away. ``settings``: RAPPORT_INGEST_* by their last word."""
    port, log = free_port(), directory / "ingest.log"
    key = write_keys_of(directory).create("test", SOURCE)
    environment = {
        **os.environ,
        "RAPPORT_DATA_DIR": str(directory),
        "RAPPORT_KAFKA_BOOTSTRAP": bootstrap,
        "RAPPORT_INGEST_PORT": str(port),
        **{f"RAPPORT_INGEST_{name.upper()}": value for name, value in settings.items()},
    }
    process = launch([sys.executable, "-m", "services.ingest.app"], log, environment)
    client = httpx.Client(base_url=f"http://127.0.0.1:{port}", headers={"Authorization": f"Bearer {key}"}, timeout=20)
    try:
        eventually(lambda: answers(client, "/healthz") == 200, f"ingest did not start: {log.read_text()}")
        yield Ingest(port, key, client, process, log)
    finally:
        client.close()
        stop(process)


def answers(client: httpx.Client, path: str) -> int:
    """The status, or 0 where nobody listens."""
    try:
        return client.get(path).status_code
    except httpx.TransportError:
        return 0


def eventually(condition: Callable[[], bool], otherwise: str, within: float = 30.0) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.02)
