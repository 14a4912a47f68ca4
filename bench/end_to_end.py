"""From the POST to the row in ClickHouse: how many a second, and how long one takes."""

import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection
from threading import Thread

from clickhouse_driver import Client

from bench.stack import Stack, wait_for
from bench.traffic import touchpoints

BATCH = 100


@dataclass(frozen=True)
class Sustained:
    """``per_second``: accepted, applied, and visible in ClickHouse, all processes at once."""

    events: int
    seconds: float
    cpu_us: dict[str, float]
    resident_mb: dict[str, int]

    @property
    def per_second(self) -> int:
        return round(self.events / self.seconds)


@dataclass(frozen=True)
class Latency:
    """Milliseconds from the moment an event was due to be sent until a query saw it."""

    offered_per_second: int
    events: int
    p50: float
    p90: float
    p99: float
    most: float


def sustained(stack: Stack, customers: int, events: int, connections: int = 4) -> Sustained:
    """Posts as fast as it is answered, and waits until every touchpoint is in ClickHouse."""
    bodies = list(_bodies(customers, events))
    before, seen, cpu = time.perf_counter(), _visible(stack), stack.cpu()
    threads = [Thread(target=_post, args=(stack, bodies[number::connections])) for number in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    client = stack.client()
    wait_for(lambda: _visible(stack, client) >= seen + events, "every touchpoint in ClickHouse")
    took = time.perf_counter() - before
    spent = {name: round((seconds - cpu[name]) / events * 1e6, 1) for name, seconds in stack.cpu().items()}
    return Sustained(events, took, spent, stack.resident_mb())


def latency(stack: Stack, per_second: int, seconds: int) -> Latency:
    """Posts one event at a time in a fixed rhythm, whatever the answers, and asks ClickHouse all the time what it sees.

    The n-th event seen is set against the moment the n-th was due, so that waiting anywhere counts (no coordinated omission).
    """
    events = per_second * seconds
    bodies = list(_bodies(1_000, events, size=per_second // 100))
    client, seen, begun = stack.client(), _visible(stack), time.perf_counter() + 0.1
    threads = [Thread(target=_post_on_time, args=(stack, bodies, begun, number, 4)) for number in range(4)]
    for thread in threads:
        thread.start()
    waits: list[float] = []
    while len(waits) < events:
        now_visible, now = _visible(stack, client) - seen, time.perf_counter()
        waits += [now - begun - due / per_second for due in range(len(waits), now_visible)]
        time.sleep(0.005)
    for thread in threads:
        thread.join()
    waits = sorted(waits[events // 10 :])
    p50, p90, p99 = (round(waits[int(len(waits) * share)] * 1000) for share in (0.5, 0.9, 0.99))
    return Latency(per_second, len(waits), p50, p90, p99, round(waits[-1] * 1000))


def _bodies(customers: int, events: int, size: int = BATCH) -> Iterator[bytes]:
    """Requests of ``size`` touchpoints, each with an id that was never used before."""
    run = uuid.uuid4().hex[:12].encode()
    lines = []
    for number, (_, value) in enumerate(touchpoints(customers, events, seed=int(run, 16) % 10**6)):
        head, _, tail = value.partition(b'"event_id":"')
        lines.append(b'%b"event_id":"%b-%d%b' % (head, run, number, tail[36:]))
        if len(lines) == size:
            yield b"\n".join(lines)
            lines = []
    if lines:
        yield b"\n".join(lines)


def _post(stack: Stack, bodies: list[bytes]) -> None:
    connection = HTTPConnection("127.0.0.1", stack.services["ingest"].port)
    for body in bodies:
        _send(connection, stack, body)


def _post_on_time(stack: Stack, bodies: list[bytes], begun: float, first: int, step: int) -> None:
    connection = HTTPConnection("127.0.0.1", stack.services["ingest"].port)
    for number in range(first, len(bodies), step):
        time.sleep(max(0.0, begun + number / 100 - time.perf_counter()))
        _send(connection, stack, bodies[number])


def _send(connection: HTTPConnection, stack: Stack, body: bytes) -> None:
    headers = {"Authorization": f"Bearer {stack.key}", "Content-Type": "application/x-ndjson"}
    while True:
        connection.request("POST", "/v1/touchpoints", body, headers)
        answer = connection.getresponse()
        text = answer.read()
        if answer.status == 200:
            if b'"rejected":[]' not in text:
                raise RuntimeError(text.decode())
            return
        if answer.status not in (429, 503):
            raise RuntimeError(f"{answer.status}: {text.decode()}")
        time.sleep(0.05)


def _visible(stack: Stack, client: Client | None = None) -> int:
    (((count),),) = (client or stack.client()).execute("SELECT count() FROM rapport.touchpoints")
    return int(count)
