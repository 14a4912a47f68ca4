"""Spans of requests and batches: whose they are, and what goes on under them."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from services.runtime.tracing import Tracer, start_tracing, traced, traceparent_in

SENDERS, OTHER = b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01", b"00-" + b"c" * 32 + b"-" + b"d" * 16 + b"-01"
NOT_SAMPLED = SENDERS[:-1] + b"0"


@dataclass(frozen=True)
class Message:
    """A Kafka record, as far as tracing looks."""

    headers: tuple[tuple[str, bytes], ...] = ()
    topic: str = "news"
    partition: int = 0
    offset: int = 0
    key: bytes | None = None
    value: bytes | None = None
    timestamp: int = 0


def of(traceparent: bytes, topic: str = "news") -> Message:
    return Message((("id", b"1"), ("traceparent", traceparent)), topic)


class Traced:
    """A tracer, and what it sent."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.tracer = Tracer("reader", self._exporter)

    def sent(self) -> dict[str, ReadableSpan]:
        self.tracer.close()
        return {span.name: span for span in self._exporter.get_finished_spans()}


def ids(span: ReadableSpan) -> tuple[str, str]:
    assert span.context
    return f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}"


def parent_of(span: ReadableSpan) -> str | None:
    return f"{span.parent.span_id:016x}" if span.parent else None


def test_a_request_goes_on_in_its_senders_trace_and_what_it_brings_goes_on_under_it() -> None:
    traced = Traced()
    request = traced.tracer.request("POST /news", SENDERS)
    request.end(503)
    span = traced.sent()["POST /news"]
    assert (ids(span)[0], parent_of(span)) == ("a" * 32, "b" * 16)
    assert request.traceparent == f"00-{'a' * 32}-{ids(span)[1]}-01".encode()
    assert span.attributes
    assert (span.attributes["http.response.status_code"], span.status.status_code.name) == (503, "ERROR")
    assert span.resource.attributes["service.name"] == "rapport-reader"


def test_a_request_without_a_trace_begins_one() -> None:
    traced = Traced()
    request = traced.tracer.request("POST /news", None)
    request.end(200)
    span = traced.sent()["POST /news"]
    assert parent_of(span) is None
    assert request.traceparent
    assert request.traceparent.decode().split("-")[1:3] == list(ids(span))


def test_a_batch_has_a_span_in_each_trace_that_its_messages_belong_to_and_one_linked_with_all() -> None:
    # given
    told = Traced()
    batch = told.tracer.batch("process", [of(SENDERS), Message(), of(SENDERS), of(OTHER, "other")], seconds_ago=1.0)
    # when
    handed_on = traced(batch, {0: SENDERS, 5: OTHER})
    batch.end()
    # then
    sent = told.sent()
    one, other, whole = sent["process news"], sent["process other"], sent["reader batch"]
    assert [(ids(span)[0], parent_of(span)) for span in (one, other)] == [("a" * 32, "b" * 16), ("c" * 32, "d" * 16)]
    assert handed_on == {0: "00-{}-{}-01".format(*ids(one)).encode(), 5: "00-{}-{}-01".format(*ids(other)).encode()}
    assert one.attributes
    assert (one.attributes["messaging.batch.message_count"], one.attributes["messaging.destination.name"]) == (2, "news")
    assert {f"{link.context.span_id:016x}" for link in whole.links} == {"b" * 16, "d" * 16}
    assert [link.context.span_id for span in (one, other) for link in span.links] == [whole.context.span_id] * 2  # type: ignore[union-attr]
    assert one.end_time
    assert one.start_time
    assert one.end_time - one.start_time >= 1_000_000_000


def test_a_batch_without_a_trace_and_one_that_was_given_up_have_no_span() -> None:
    traced = Traced()
    traced.tracer.batch("process", [Message(), Message((("traceparent", b"nonsense"),))]).end()
    traced.tracer.batch("process", [of(SENDERS)])
    assert traced.sent() == {}


def test_what_its_sender_did_not_sample_is_not_recorded_and_handed_on_as_it_came() -> None:
    told = Traced()
    request, batch = told.tracer.request("POST /news", NOT_SAMPLED), told.tracer.batch("process", [of(NOT_SAMPLED)])
    request.end(200)
    assert (request.traceparent, traced(batch, {0: NOT_SAMPLED})) == (None, {0: NOT_SAMPLED})
    assert "process news" not in told.sent()


@pytest.mark.parametrize("value", [b"", b"x" + SENDERS, SENDERS.upper(), b"alice@example.com", SENDERS + b"\n"])
def test_a_header_of_that_name_that_is_no_traceparent_is_left_out(value: bytes) -> None:
    assert traceparent_in([("id", b"1"), ("traceparent", value)]) is None
    assert traceparent_in([("id", b"1"), ("traceparent", SENDERS)]) == SENDERS


def test_traces_are_wanted_where_an_endpoint_is_named_and_not_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_SDK_DISABLED"):
        monkeypatch.delenv(name, raising=False)
    assert start_tracing("reader") is None
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    tracer = start_tracing("reader")
    assert tracer
    tracer.close()
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    assert start_tracing("reader") is None


def test_unless_traces_are_wanted_nothing_of_the_library_is_loaded() -> None:
    program = (
        "import os, sys; [os.environ.pop(name) for name in list(os.environ) if name.startswith('OTEL_')]\n"
        "from services.runtime.tracing import start_tracing\n"
        "start_tracing('x'); print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
