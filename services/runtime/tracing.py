"""Traces by OpenTelemetry. They go where OTEL_EXPORTER_OTLP_ENDPOINT, or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, says; OpenTelemetry's other
variables count too (OTEL_TRACES_SAMPLER and so on). With neither set nothing of it is even imported, and whoever reads a
``traceparent`` hands it on as it came.
"""

import os
import re
import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from services.runtime.stage import Record

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Span

TRACEPARENT = "traceparent"
ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
CLOSE_SECONDS = 1.0
_is_traceparent = re.compile(rb"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}").fullmatch
Headers = Iterable[tuple[str, bytes]]


def traceparent_in(headers: Headers) -> bytes | None:
    """The W3C trace context that came with a message; None where there is none, or something else by that name."""
    for name, value in headers:
        if name == TRACEPARENT:
            return checked(value)
    return None


def checked(value: bytes | None) -> bytes | None:
    """None unless it is a traceparent."""
    return value if value and _is_traceparent(value) else None


def start_tracing(stage: str) -> "Tracer | None":
    """None where nothing says where traces go. Call `close` at the end, or the last seconds' spans are not sent."""
    if not any(os.environ.get(name) for name in ENDPOINTS) or os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return Tracer(stage, OTLPSpanExporter())


class Tracer:
    """The spans of one process. Not sampled is not recorded, and its traceparent is handed on as it came."""

    def __init__(self, stage: str, exporter: "SpanExporter") -> None:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        self._stage = stage
        resource = Resource.create({"service.name": os.environ.get("OTEL_SERVICE_NAME") or f"rapport-{stage}"})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("rapport")

    def request(self, name: str, traceparent: bytes | None) -> "RequestSpan":
        """A request that begins now, in the sender's trace if it has one."""
        return RequestSpan(self._tracer, name, traceparent)

    def batch(self, operation: str, records: Iterable[Record], seconds_ago: float = 0.0) -> "BatchSpans":
        """What is done with a joined batch since so many seconds ago."""
        began_ns = time.time_ns() - int(seconds_ago * 1e9)
        return BatchSpans(self._tracer, self._stage, operation, records, began_ns)

    def close(self) -> None:
        """Sends what is left if that takes no longer than a second."""
        closing = threading.Thread(target=self._provider.shutdown, daemon=True)
        closing.start()
        closing.join(CLOSE_SECONDS)


class RequestSpan:
    """``traceparent``: for what the request leads to; None where the span is not sampled."""

    def __init__(self, tracer: Any, name: str, traceparent: bytes | None) -> None:
        from opentelemetry.trace import SpanKind

        parent = _context(traceparent) if traceparent else _no_parent()
        self._span: Span = tracer.start_span(name, parent, SpanKind.SERVER, {"http.request.method": "POST"})
        self.traceparent = _traceparent(self._span)

    def end(self, status: int) -> None:
        from opentelemetry.trace import StatusCode

        self._span.set_attribute("http.response.status_code", status)
        if status >= 500:
            self._span.set_status(StatusCode.ERROR)
        self._span.end()


class BatchSpans:
    """A span for each trace that messages of the batch belong to, by topic; and one of the batch as a whole, linked with all of them.

    A batch that is given up is not ended, and so never sent."""

    def __init__(self, tracer: Any, stage: str, operation: str, records: Iterable[Record], began_ns: int) -> None:
        self._spans: list[Span] = []
        self._instead: dict[bytes, bytes] = {}
        counted = Counter((found, record.topic) for record in records if record.headers and (found := traceparent_in(record.headers)))
        parents = {found: _context(found) for found, _ in counted}
        if parents:
            self._begin(tracer, f"{stage} batch", operation, counted, parents, began_ns)

    def _begin(
        self, tracer: Any, name: str, operation: str, counted: Counter[tuple[bytes, str]], parents: Mapping[bytes, "Context"], began_ns: int
    ) -> None:
        from opentelemetry.trace import Link, SpanKind, get_current_span

        links = [Link(get_current_span(parent).get_span_context()) for parent in parents.values()]
        batch = tracer.start_span(name, _no_parent(), SpanKind.CONSUMER, links=links, start_time=began_ns)
        for (found, topic), count in counted.items():
            of_message = {
                "messaging.system": "kafka",
                "messaging.operation.name": operation,
                "messaging.destination.name": topic,
                "messaging.batch.message_count": count,
            }
            to_batch = [Link(batch.get_span_context())]
            span = tracer.start_span(f"{operation} {topic}", parents[found], SpanKind.CONSUMER, of_message, to_batch, began_ns)
            self._instead[found] = _traceparent(span) or found
            self._spans.append(span)
        self._spans.append(batch)

    def instead_of(self, traceparent: bytes) -> bytes:
        """What follows from messages of that trace goes on under this one."""
        return self._instead.get(traceparent, traceparent)

    def end(self) -> None:
        """It is done."""
        for span in self._spans:
            span.end()


def _no_parent() -> "Context":
    from opentelemetry.context import Context

    return Context()


def _context(traceparent: bytes) -> "Context":
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    return TraceContextTextMapPropagator().extract({TRACEPARENT: traceparent.decode()}, _no_parent())


def _traceparent(span: "Span") -> bytes | None:
    context = span.get_span_context()
    if not context.trace_flags.sampled:
        return None
    return b"00-%032x-%016x-%02x" % (context.trace_id, context.span_id, context.trace_flags)


def traced(spans: BatchSpans | None, traceparents: Mapping[int, bytes]) -> dict[int, bytes]:
    """The same, each under the batch's own span where there is one."""
    return {index: spans.instead_of(found) if spans else found for index, found in traceparents.items()}
