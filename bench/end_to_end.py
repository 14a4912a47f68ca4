"""From the POST to the row in ClickHouse: how many a second, and how long one takes."""

import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from threading import Thread

import psutil
from clickhouse_driver import Client

from bench.latencies import Latency, latency
from bench.result import Work
from bench.stack import WHILE_MEASURING, Service, Stack, wait_for
from bench.traffic import DAYS, touchpoints
from bench.usage import Watch

STAGES = ("profile", "loyalty", "projections")
SERVICES = ("ingest", *STAGES)
BATCH = 100
LOOK_SECONDS = 0.02
"""How long to wait between two questions whether an event is there: each costs ClickHouse 2 ms."""
REQUESTS_A_SECOND = 100
"""Of the fixed rhythm; each holds as many touchpoints as make up the rate."""
FIRST = datetime.now(UTC) - timedelta(days=2 * DAYS + 16)
THEN = FIRST + timedelta(days=DAYS + 15)
"""When what is sent first happened, and what is sent then: all of it later, late touchpoints included, and lately, as touchpoints do. Where
every fact is late by weeks, or so old that its points have expired, the stages have a multiple of the work."""


def sustained(stack: Stack, customers: int, events: int, connections: int = 4) -> Work:
    """Posts as fast as it is answered, and waits until every touchpoint is in ClickHouse: all processes at once."""
    bodies = list(_bodies(customers, events, FIRST))
    client = stack.client()
    seen = _stored(client)
    processes = {name: stack.services[name].process for name in SERVICES}
    with Watch({**processes, **stack.backends, "sender (the bench)": psutil.Process()}) as watch:
        begun = time.perf_counter()
        threads = [Thread(target=_post, args=(stack, bodies[number::connections])) for number in range(connections)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        wait_for(lambda: _stored(client) >= seen + events, "every touchpoint in ClickHouse", every=WHILE_MEASURING)
        work = Work("POST to row", events, time.perf_counter() - begun, watch.spent(events), f"batches of {BATCH}, {connections} senders")
    _each_once(client, seen + events)
    return work


def paced(stack: Stack, customers: int, per_second: int, seconds: int) -> Latency:
    """After ``sustained``: posts in a fixed rhythm, whatever the answers, and asks ClickHouse all the time what it sees.

    The n-th event seen is set against the moment the n-th was due. The first tenth is left out: processes warm up.
    """
    events = per_second * seconds
    size = per_second // REQUESTS_A_SECOND
    bodies = list(_bodies(customers, events, THEN, size))
    client = stack.client()
    seen, begun = _stored(client), time.perf_counter() + 0.1
    threads = [Thread(target=_post_on_time, args=(stack, bodies, begun, number, 4)) for number in range(4)]
    for thread in threads:
        thread.start()
    waits: list[float] = []
    while len(waits) < events:
        now_visible, now = _stored(client) - seen, time.perf_counter()
        waits += [now - begun - number // size / REQUESTS_A_SECOND for number in range(len(waits), now_visible)]
        time.sleep(LOOK_SECONDS)
    for thread in threads:
        thread.join()
    _each_once(client, seen + events)
    return latency("POST to row in ClickHouse", per_second, waits[events // 10 :])


def settled(stack: Stack) -> None:
    """Returns when every stage has worked off and published all that came, and has had nothing to do for three seconds."""
    looks = 0

    def is_settled() -> bool:
        nonlocal looks
        looks = looks + 1 if not any(_behind(stack.services[name]) for name in STAGES) else 0
        return looks == 3

    wait_for(is_settled, "every stage to have nothing left to do", every=1.0)


def _behind(service: Service) -> float:
    return service.metric("rapport_lag_messages") + service.metric("rapport_unpublished_events")


def _bodies(customers: int, events: int, start: datetime, size: int = BATCH) -> Iterator[bytes]:
    """Requests of ``size`` touchpoints, each with an id that was never used before."""
    run = uuid.uuid4().hex[:12].encode()
    lines = []
    for number, (_, value) in enumerate(touchpoints(customers, events, int(run, 16) % 10**6, start)):
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
        time.sleep(max(0.0, begun + number / REQUESTS_A_SECOND - time.perf_counter()))
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


def _stored(client: Client) -> int:
    """How many rows there are, which every query sees from then on. ClickHouse knows it without reading, so that asking all the time
    takes nothing from what is measured."""
    (((count),),) = client.execute("SELECT count() FROM rapport_store.touchpoints SETTINGS optimize_trivial_count_query = 1")
    return int(count)


def _each_once(client: Client, expected: int) -> None:
    """Raises RuntimeError unless analysts see every touchpoint, and each once."""
    (((count),),) = client.execute("SELECT count() FROM rapport.touchpoints")
    if count != expected:
        raise RuntimeError(f"{expected} touchpoints were sent, and {count} are there")
