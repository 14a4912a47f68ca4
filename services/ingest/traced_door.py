"""The door where traces are wanted: a span for each request, and what it brings goes on under it."""

from typing import Any

from services.ingest.answers import Answer
from services.ingest.door import TRACEPARENT_OF_REQUEST, Door, Entry, RequestHeaders
from services.ingest.request_body import Receive
from services.runtime.tracing import Tracer, checked


class TracedDoor(Door):
    """See Door."""

    def __init__(self, tracer: Tracer, *of_door: Any) -> None:
        super().__init__(*of_door)
        self._tracer = tracer

    async def answer(self, entry: Entry, headers: RequestHeaders, receive: Receive) -> Answer:
        """As the Door's. A request whose sender went away has no span."""
        span = self._tracer.request(f"POST /v1/{entry.name}", checked(headers.get(TRACEPARENT_OF_REQUEST)))
        if span.traceparent:
            headers[TRACEPARENT_OF_REQUEST] = span.traceparent
        answer = await super().answer(entry, headers, receive)
        span.end(answer.status)
        return answer
