"""Every Prometheus metric of Rapport, declared and explained here alone; and the port that shows those of a stage."""

import threading
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, make_wsgi_app

MESSAGES = Counter("rapport_messages", "Messages taken in, by what became of each and why", ["stage", "outcome", "reason"])
DECIDED = Counter(
    "rapport_messages_decided", "Messages that were decided on, each time: what is above those taken in was decided for nothing", ["stage"]
)
BATCHES = Counter("rapport_batches", "Joined batches that were tried, by result", ["stage", "result"])
BATCH_SECONDS = Histogram(
    "rapport_batch_seconds",
    "From the decision on a joined batch to its commit",
    ["stage"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
BATCH_MESSAGES = Histogram(
    "rapport_batch_messages", "Messages in a joined batch", ["stage"], buckets=(1, 10, 100, 500, 1000, 2000, 4000, 8000)
)
LAG = Gauge(
    "rapport_lag_messages", "Messages of the log, as far as it was last fetched, that are not applied yet", ["stage", "topic", "partition"]
)
LAG_SECONDS = Gauge(
    "rapport_lag_seconds",
    "Age of the partition's oldest message that is fetched and not applied, since it was written to the topic; 0: none",
    ["stage", "topic", "partition"],
)
OLDEST_SECONDS = Gauge(
    "rapport_oldest_message_seconds", "Age of the oldest message of all partitions that is fetched and not applied; 0: none", ["stage"]
)
STORED = Counter("rapport_events_stored", "Events committed to the event store by this process", ["stage"])
PUBLISHED = Counter("rapport_events_published", "Events acknowledged by Kafka, by topic", ["stage", "topic"])
SNAPSHOTS = Counter("rapport_snapshots_published", "Snapshots acknowledged by Kafka", ["stage"])
UNPUBLISHED = Gauge("rapport_unpublished_events", "Events committed and not acknowledged by Kafka yet", ["stage"])
PUBLISHING = Gauge("rapport_publisher", "1 in the one process of a stage that publishes, else 0", ["stage"])
COMMANDS = Counter("rapport_commands", "Commands to the stage, by what they were answered", ["stage", "answer"])
RESTARTS = Counter(
    "rapport_restarts",
    "Times a part of the stage started over: its Kafka producer, or its reading of all partitions from the stored positions",
    ["stage", "part"],
)
STARTED = Gauge("rapport_started_timestamp_seconds", "When this process started, epoch seconds", ["stage"])
HEALTHY = Gauge(
    "rapport_healthy", "0 once something has kept the stage from working for half a minute (/healthz says what), else 1", ["stage"]
)

LABELS = {
    "stage": "the stage, named as the command that runs it",
    "outcome": "`applied`; `duplicate`: came before, and changed nothing; `quarantined`: cannot be used, and is kept whole with the reason",
    "reason": "why, where an outcome has several causes; else empty",
    "result": "`applied`; `waited`: Kafka must take first what is decided; `failed`: is tried again; `overtaken`: another process was "
    "faster, and it is decided again at once; `stale`: that happened several times in a row, or a commit failed, and all is read "
    "again from the stored positions",
    "answer": "`accepted`; `repeated`: accepted before; else the code of the refusal, as the page about the stage has it",
    "topic": "the Kafka topic",
    "partition": "the topic's partition",
    "part": "`producer`: Kafka refused what was sent; `reading`: another process was faster, or a commit failed",
}

INGEST = CollectorRegistry()
"""What ingest alone shows, beside the rest: elsewhere these would stand at zero, as if nothing came."""
INGEST_ITEMS = Counter(
    "rapport_ingest_items",
    "Items and Segment calls that came, by outcome (accepted, duplicate, rejected; acknowledged by Kafka) and reason",
    ["outcome", "reason"],
    registry=INGEST,
)
INGEST_REFUSED = Counter(
    "rapport_ingest_requests_refused", "Requests refused whole, by code: nothing of them is kept", ["code"], registry=INGEST
)
INGEST_SECONDS = Histogram(
    "rapport_ingest_request_seconds",
    "From the first byte of a request's body to its answer, Kafka's acknowledgement included",
    ["door"],
    registry=INGEST,
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
INGEST_PENDING_BYTES = Gauge(
    "rapport_ingest_pending_bytes",
    "Bytes of requests that are not answered yet; past the limit requests are answered 429",
    registry=INGEST,
)
INGEST_KAFKA_UP = Gauge("rapport_ingest_kafka_up", "1 while the producer is connected, else 0", registry=INGEST)
INGEST_LOG_FREE_BYTES = Gauge(
    "rapport_ingest_log_free_bytes",
    "Bytes left on the fullest disk of any Kafka broker, as Kafka says; NaN: it does not",
    registry=INGEST,
)
INGEST_LOG_LEAST_BYTES = Gauge(
    "rapport_ingest_log_least_bytes",
    "Bytes that must stay free there; with fewer, requests are answered 503; 0: any",
    registry=INGEST,
)

INGEST_LABELS = {
    "outcome": "`accepted`: acknowledged by Kafka; `duplicate`: stood earlier in the same request; `rejected`: in quarantine, whole",
    "reason": "why an item was rejected, as in [ingest.md](ingest.md); else empty",
    "code": "why a request was refused, as in [ingest.md](ingest.md)",
    "door": "what the request was sent to: the last part of its path, of a Segment call `batch`, `track`, `identify` and so on",
}

Health = Callable[[], str | None]
"""What is wrong, in words; None: nothing."""
StartResponse = Callable[[str, list[tuple[str, str]]], Any]


class _ThreadedServer(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """A scrape is no news."""


def serve_metrics(port: int, health: Health, host: str = "127.0.0.1") -> tuple[int, Callable[[], None]]:
    """/metrics and /healthz (200, or 503 and what is wrong) from a thread of their own.

    Returns the port, which is a free one if 0 was asked for, and what stops it. OSError: the port is taken.
    """
    metrics = make_wsgi_app()

    def answer(environ: dict[str, Any], start: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] != "/healthz":
            shown: Iterable[bytes] = metrics(environ, start)
            return shown
        problem = health()
        start("503 Service Unavailable" if problem else "200 OK", [("Content-Type", "text/plain; charset=utf-8")])
        return [(problem or "ok").encode() + b"\n"]

    server = make_server(host, port, answer, _ThreadedServer, handler_class=_QuietHandler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()

    def stop() -> None:
        server.shutdown()
        server.server_close()

    return server.server_port, stop
