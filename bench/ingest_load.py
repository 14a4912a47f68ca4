"""How many touchpoints a second ingest takes, and what one costs it: batches and single requests over loopback.

``python bench/ingest_load.py`` starts a Kafka and an ingest of its own, measures both ways for ``--seconds`` each, and prints
one line a way. Every event has an id of its own and is answered only after Kafka acknowledged it (``acks=all``). The sender is
kept cheap (raw sockets, prepared bodies), since it shares the machine's cores with what it measures.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import psutil
import uvloop

from schemas.topics import QUARANTINE, TOUCHPOINTS
from services.embedded.kafka import running_kafka
from services.embedded.processes import free_port
from services.ingest.write_keys import write_keys_of
from services.runtime.kafka import KafkaConnection, TopicSpec, ensure_topics

ID_PLACE = b"@@@@@@@@@@@@"
PREPARED = 40
"""Different bodies; each request gets ids of its own by one replacement in one of them."""


def event(rng: random.Random, number: int) -> dict[str, object]:
    """A purchase of about 400 bytes."""
    cents = rng.randint(100, 40_000)
    return {
        "event_id": f"{ID_PLACE.decode()}-{number:04d}",
        "type": "purchase",
        "version": 1,
        "occurred_at": f"2026-01-{rng.randint(1, 28):02d}T{rng.randint(0, 23):02d}:15:00.{rng.randint(0, 999):03d}Z",
        "source": f"till-{rng.randint(1, 40)}",
        "identifiers": [
            {"type": "customer_id", "value": f"C{rng.randint(0, 99_999):08d}"},
            {"type": "email", "value": f"user.{rng.randint(0, 99_999):07d}@example.com"},
        ],
        "payload": {
            "order_id": f"O{rng.randint(0, 10**9):09d}",
            "lines": [{"sku": f"SKU-{rng.randint(0, 5000)}", "quantity": 1, "unit_price_minor": cents}],
            "total_minor": cents,
            "currency": "EUR",
            "store": f"S{rng.randint(1, 90)}",
        },
    }


def bodies(size: int) -> list[bytes]:
    """``size`` 0: one event as an object; else an array of so many."""
    rng = random.Random(7)
    wanted = [[event(rng, number) for number in range(size or 1)] for _ in range(PREPARED)]
    return [json.dumps(events if size else events[0], separators=(",", ":")).encode() for events in wanted]


@dataclass
class Tally:
    """What a run saw."""

    answered: int = 0
    failed: int = 0
    latencies: list[float] = field(default_factory=list)

    def percentile(self, share: float) -> float:
        ordered = sorted(self.latencies)
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)] * 1000 if ordered else 0.0


class Sender(asyncio.Protocol):
    """One connection: a request, its answer, the next request."""

    def __init__(self, head: bytes, prepared: list[bytes], tally: Tally, until: float, first: int) -> None:
        self._head, self._bodies, self._tally, self._until = head, prepared, tally, until
        self._next, self._buffer, self._sent_at = first, b"", 0.0
        self._run = uuid.uuid4().hex[:4].encode()
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, separator, body = self._buffer.partition(b"\r\n\r\n")
        if not separator or len(body) < int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]):
            return
        self._tally.latencies.append(time.perf_counter() - self._sent_at)
        if b" 200 " in head[:16] and b'"rejected":[]' in body:
            self._tally.answered += 1
        else:
            self._tally.failed += 1
        self._buffer = b""
        if time.perf_counter() < self._until:
            self._send()
        else:
            self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.closed.done():
            self.closed.set_result(None)

    def _send(self) -> None:
        self._next += 1
        identity = b"%b%08x" % (self._run, self._next)
        body = self._bodies[self._next % PREPARED].replace(ID_PLACE, identity)
        self._sent_at = time.perf_counter()
        self._transport.write(self._head % len(body) + body)


async def load(port: int, key: str, size: int, connections: int, seconds: float) -> Tally:
    """Sends for so long on so many connections."""
    tally, prepared = Tally(), bodies(size)
    head = b"POST /v1/touchpoints HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %b\r\nContent-Type: application/json\r\n" % key.encode()
    head = head.replace(b"%", b"%%") + b"Content-Length: %d\r\n\r\n"
    until = time.perf_counter() + seconds
    loop = asyncio.get_running_loop()
    senders = [Sender(head, prepared, tally, until, number * 1_000_000) for number in range(connections)]
    for sender in senders:
        await loop.create_connection(lambda sender=sender: sender, "127.0.0.1", port)  # type: ignore[misc]
    await asyncio.gather(*(sender.closed for sender in senders))
    return tally


def measure(name: str, port: int, key: str, process: psutil.Process, size: int, connections: int, seconds: float) -> None:
    """Warms up, measures, prints."""
    uvloop.run(load(port, key, size, connections, min(seconds, 2.0)))
    before, own_before, began = process.cpu_times(), psutil.Process().cpu_times(), time.perf_counter()
    tally = uvloop.run(load(port, key, size, connections, seconds))
    took = time.perf_counter() - began
    after, own_after = process.cpu_times(), psutil.Process().cpu_times()
    events = tally.answered * (size or 1)
    cpu = after.user + after.system - before.user - before.system
    own = own_after.user + own_after.system - own_before.user - own_before.system
    print(
        f"{name}: {events / took:,.0f} events/s, {tally.answered / took:,.0f} requests/s, {cpu / max(events, 1) * 1e6:.1f} CPU us/event "
        f"({events / max(cpu, 1e-9):,.0f} events/s a core), p50 {tally.percentile(0.5):.1f} ms, p99 {tally.percentile(0.99):.1f} ms, "
        f"{tally.failed} failed, {connections} connections, RSS {process.memory_info().rss / 1e6:.0f} MB, sender {own / took:.2f} cores",
        flush=True,
    )


@contextlib.contextmanager
def running_ingest(directory: Path, bootstrap: str) -> Iterator[tuple[int, str, psutil.Process]]:
    """The real service in a process of its own: port, write key, process."""
    specs = [TopicSpec(topic.name, topic.partitions, 1, topic.config()) for topic in (TOUCHPOINTS, QUARANTINE)]
    asyncio.run(ensure_topics(KafkaConnection(bootstrap), specs))
    key, port = write_keys_of(directory).create("bench"), free_port()
    environment = os.environ | {
        "RAPPORT_DATA_DIR": str(directory),
        "RAPPORT_KAFKA_BOOTSTRAP": bootstrap,
        "RAPPORT_INGEST_PORT": str(port),
        "RAPPORT_LOG_LEVEL": "warning",
    }
    process = subprocess.Popen([sys.executable, "-m", "services.ingest.app"], env=environment)
    try:
        wait_until_ready(port)
        yield port, key, psutil.Process(process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(15)


def wait_until_ready(port: int, within: float = 30.0) -> None:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        with (
            contextlib.suppress(urllib.error.URLError, ConnectionError),
            urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=3),
        ):
            return
        time.sleep(0.05)
    raise TimeoutError(f"ingest was not ready after {within:g} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--batch", type=int, default=100, help="touchpoints in one request of the first way")
    parser.add_argument("--batch-connections", type=int, default=16)
    parser.add_argument("--single-connections", type=int, default=128)
    chosen = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="rapport-bench-") as folder,
        running_kafka(Path(folder) / "kafka") as bootstrap,
        running_ingest(Path(folder), bootstrap) as (port, key, process),
    ):
        measure(f"batches of {chosen.batch}", port, key, process, chosen.batch, chosen.batch_connections, chosen.seconds)
        measure("single events", port, key, process, 0, chosen.single_connections, chosen.seconds)


if __name__ == "__main__":
    main()
