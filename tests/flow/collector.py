"""The smallest OpenTelemetry collector: takes spans over OTLP/HTTP and keeps them."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from services.embedded.processes import LOOPBACK


@dataclass(frozen=True)
class Span:
    """``parent``: another's ``id``, empty where there is none."""

    service: str
    name: str
    trace: str
    id: str
    parent: str


@dataclass
class Collector:
    """``endpoint``: what OTEL_EXPORTER_OTLP_ENDPOINT names."""

    endpoint: str = ""
    spans: list[Span] = field(default_factory=list)

    def of(self, trace: str) -> dict[tuple[str, str], Span]:
        """The spans of a trace, by service and name."""
        return {(span.service, span.name): span for span in self.spans if span.trace == trace}

    def take(self, body: bytes) -> None:
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            service = next(one.value.string_value for one in resource.resource.attributes if one.key == "service.name")
            for scope in resource.scope_spans:
                for span in scope.spans:
                    ids = span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex()
                    self.spans.append(Span(service, span.name, *ids))


@contextmanager
def running_collector() -> Iterator[Collector]:
    """On a free port."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces"
            collector.take(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """No news."""

    server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
    collector.endpoint = f"http://{LOOPBACK}:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()
