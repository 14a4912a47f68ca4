"""Every metric that ingest adds to those of ``runtime.metrics``, declared and explained here alone."""

from prometheus_client import Counter, Gauge, Histogram

ITEMS = Counter(
    "rapport_ingest_items",
    "Touchpoints and Segment calls that came, by outcome (accepted, duplicate, rejected; acknowledged by Kafka) and reason",
    ["outcome", "reason"],
)
REFUSED = Counter("rapport_ingest_requests_refused", "Requests refused whole, by code: nothing of them is kept", ["code"])
SECONDS = Histogram(
    "rapport_ingest_request_seconds",
    "From the first byte of a request's body to its answer, Kafka's acknowledgement included",
    ["door"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
PENDING_BYTES = Gauge(
    "rapport_ingest_pending_bytes", "Bytes of requests that are not answered yet; past the limit requests are answered 429"
)
KAFKA_UP = Gauge("rapport_ingest_kafka_up", "1 while the producer is connected, else 0")

LABELS = {
    "outcome": "`accepted`: acknowledged by Kafka; `duplicate`: stood earlier in the same request; `rejected`: in quarantine, whole",
    "reason": "why an item was rejected, as in [ingest.md](ingest.md); else empty",
    "code": "why a request was refused, as in [ingest.md](ingest.md)",
    "door": "what the request was sent to: `touchpoints`, or a Segment call: `batch`, `track`, `identify` and so on",
}
