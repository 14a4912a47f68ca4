"""How many touchpoints ingest takes, what one costs it, and how long an answer takes: batches and single events over loopback.

    python -m bench.ingest_load                     as fast as it answers, and in a fixed rhythm

Every event has an id of its own and is answered only after Kafka acknowledged it (``acks=all``). The sender is kept cheap (raw
sockets, prepared bodies), since it shares the machine's cores with what it measures.
"""

import argparse
import asyncio
import json
import random
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import cycle
from typing import cast

import psutil
import uvloop

from bench.latencies import Latency, latency
from bench.result import Work
from bench.stack import Service, Stack, running_stack
from bench.usage import Measured, Together, Watch

ID_PLACE = b"@@@@@@@@@@@@"
PREPARED = 40
"""Different bodies; each request gets ids of its own by one replacement in one of them."""


@dataclass(frozen=True)
class Way:
    """One way to send. ``size`` 0: one event as an object; else an array of so many. ``paced``: requests a second in the fixed rhythm."""

    name: str
    size: int
    connections: int
    paced: int

    @property
    def events(self) -> int:
        return self.size or 1


BATCHES = Way("ingest, batches of 100", size=100, connections=16, paced=100)
SINGLE = Way("ingest, single events", size=0, connections=128, paced=2_000)


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


def bodies(way: Way) -> list[bytes]:
    rng = random.Random(7)
    wanted = [[event(rng, number) for number in range(way.events)] for _ in range(PREPARED)]
    return [json.dumps(events if way.size else events[0], separators=(",", ":")).encode() for events in wanted]


Due = Callable[[], float | None]
"""When the next request is to leave (``perf_counter``); None: that was all. Asked by a connection that is free."""


def without_pause(seconds: float) -> Due:
    """Each connection sends as soon as it was answered."""
    until = time.perf_counter() + seconds
    return lambda: now if (now := time.perf_counter()) < until else None


def in_rhythm(per_second: int, seconds: float) -> Due:
    """Requests are due at fixed moments, whatever the answers; where no connection is free they leave late, which counts."""
    begun, moments = time.perf_counter() + 0.1, iter(range(int(per_second * seconds)))
    return lambda: None if (number := next(moments, None)) is None else begun + number / per_second


@dataclass
class Tally:
    """What a run saw. ``waits``: seconds from when a request was due to its answer, in order of the answers."""

    answered: int = 0
    failed: int = 0
    waits: list[float] = field(default_factory=list)


class Sender(asyncio.Protocol):
    """One connection: a request when one is due, its answer, the next request."""

    def __init__(self, head: bytes, prepared: list[bytes], tally: Tally, due: Due, first: int) -> None:
        self._head, self._bodies, self._tally, self._due = head, prepared, tally, due
        self._number, self._buffer, self._due_at = first, b"", 0.0
        self._run = uuid.uuid4().hex[:4].encode()
        self._loop = asyncio.get_running_loop()
        self.closed: asyncio.Future[None] = self._loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._next()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, separator, body = self._buffer.partition(b"\r\n\r\n")
        if not separator or len(body) < int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]):
            return
        self._tally.waits.append(time.perf_counter() - self._due_at)
        if b" 200 " in head[:16] and b'"rejected":[]' in body:
            self._tally.answered += 1
        else:
            self._tally.failed += 1
        self._buffer = b""
        self._next()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.closed.done():
            self.closed.set_result(None)

    def _next(self) -> None:
        due = self._due()
        if due is None:
            self._transport.close()
            return
        self._due_at, early = due, due - time.perf_counter()
        if early > 0:
            self._loop.call_later(early, self._send)
        else:
            self._send()

    def _send(self) -> None:
        self._number += 1
        identity = b"%b%08x" % (self._run, self._number)
        body = self._bodies[self._number % PREPARED].replace(ID_PLACE, identity)
        self._transport.write(self._head % len(body) + body)


def load(stack: Stack, way: Way, due: Due) -> Tally:
    """Sends all that becomes due, and returns when it is answered."""
    tally, prepared = Tally(), bodies(way)
    head = f"POST /v1/touchpoints HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {stack.key}\r\nContent-Type: application/json\r\n".encode()
    head = head.replace(b"%", b"%%") + b"Content-Length: %d\r\n\r\n"

    async def send() -> None:
        loop = asyncio.get_running_loop()
        senders = [Sender(head, prepared, tally, due, number * 1_000_000) for number in range(way.connections)]
        for sender, replica in zip(senders, cycle(_replicas(stack))):
            await loop.create_connection(lambda sender=sender: sender, "127.0.0.1", replica.port)  # type: ignore[misc]
        await asyncio.gather(*(sender.closed for sender in senders))

    uvloop.run(send())
    return tally


def fastest(stack: Stack, way: Way, seconds: float) -> Work:
    """As many as ingest answers, after a warm-up. ValueError where it did not take all of them."""
    load(stack, way, without_pause(min(seconds, 2.0)))
    ingest = Together(replica.process for replica in _replicas(stack))
    processes: dict[str, Measured] = {"ingest": ingest, "kafka": stack.backends["kafka"], "sender (the bench)": psutil.Process()}
    with Watch(processes) as watch:
        begun = time.perf_counter()
        tally = load(stack, way, without_pause(seconds))
        took = time.perf_counter() - begun
        if tally.failed or not tally.answered:
            raise ValueError(f"{way.name}: {tally.failed} requests were not taken, {tally.answered} were")
        events = tally.answered * way.events
        replicas = len(_replicas(stack))
        note = f"{tally.answered / took:,.0f} requests/s on {way.connections} connections" + f" to {replicas} replicas" * (replicas > 1)
        return Work(way.name, events, took, watch.spent(events), note)


def _replicas(stack: Stack) -> list[Service]:
    """Every ingest of the stack. They share nothing, and connections are dealt out among them in turn."""
    return [service for name, service in stack.services.items() if name.startswith("ingest")]


def paced(stack: Stack, way: Way, seconds: float) -> Latency:
    """How long answers take in a fixed rhythm, from the moment each request was due."""
    tally = load(stack, way, in_rhythm(way.paced, seconds))
    return latency(f"{way.name}: POST to answer", way.paced * way.events, tally.waits)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0)
    chosen = parser.parse_args()
    with running_stack() as stack:
        stack.start("ingest")
        for way in (BATCHES, SINGLE):
            work, waits = fastest(stack, way, chosen.seconds), paced(stack, way, chosen.seconds)
            own = work.spent[0]
            print(f"{way.name}: {work.per_second:,} events/s, {work.note}, {own.cpu_us} CPU us/event, {own.peak_mb} MB, ms {waits.ms}")


if __name__ == "__main__":
    main()
