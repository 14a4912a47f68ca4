"""Takes requests in: reads, admits, appends, answers. The paths that channels send to go through here, past the framework."""

import logging
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from schemas.quarantine import glimpse
from schemas.times import from_millis
from schemas.topics import QUARANTINE, TOUCHPOINTS
from services.ingest.admission import Admission, admit
from services.ingest.answers import Answer, calls_taken, refused, touchpoints_taken
from services.ingest.append import NO_HEADERS, Appender
from services.ingest.authentication import key_of_request
from services.ingest.items import TooMany, Unparsable, split
from services.ingest.lane import Headers, LogRefused
from services.ingest.log_connection import LogAway
from services.ingest.log_room import LogFull
from services.ingest.message_key import KeyOf
from services.ingest.quarantined import messages_of
from services.ingest.refusals import Refusal, internal, log_away, log_full, log_refused, too_many, unparsable
from services.ingest.request_body import Disconnected, Hold, PendingBytes, Receive, read_body
from services.ingest.segment import KINDS, Shared
from services.ingest.segment_admission import admit_calls, read_batch, read_single
from services.ingest.write_keys import WriteKeys
from services.runtime import metrics
from services.runtime.tracing import TRACEPARENT, checked

RequestHeaders = dict[bytes, bytes]
Take = Callable[[RequestHeaders, Receive, Hold], Awaitable[Answer]]
"""Takes one request in; what it raises becomes the answer."""


class Arrival(NamedTuple):
    """When a request's body was whole, to the millisecond that its records have in Kafka. ``text`` is canonical."""

    text: str
    milliseconds: int


TRACEPARENT_OF_REQUEST = TRACEPARENT.encode()
_log = logging.getLogger(__name__)


class Door:
    """One process's intake. ``entries`` maps the paths of POST to what takes them in."""

    def __init__(
        self,
        keys: WriteKeys,
        appender: Appender,
        key_of: KeyOf,
        max_body_bytes: int,
        max_batch: int,
        max_pending_bytes: int,
    ) -> None:
        self.keys, self.appender, self._key_of = keys, appender, key_of
        self._max_body_bytes, self._max_batch = max_body_bytes, max_batch
        self.pending = PendingBytes(max_pending_bytes)
        metrics.INGEST_PENDING_BYTES.set_function(lambda: self.pending.held)
        self.entries = self._entries()

    def _entries(self) -> dict[str, "Entry"]:
        """Every path, Segment's short ones too, with and without a slash at its end."""
        entries = {"/v1/touchpoints": Entry("touchpoints", self._touchpoints)}
        entries["/v1/batch"] = entries["/v1/b"] = Entry("batch", self._batch)
        for kind in KINDS:
            entries[f"/v1/{kind}"] = entries[f"/v1/{kind[0]}"] = Entry(kind, self._taker_of(kind))
        return entries | {f"{path}/": entry for path, entry in entries.items()}

    async def answer(self, entry: "Entry", headers: RequestHeaders, receive: Receive) -> Answer:
        """Never raises but Disconnected: whatever goes wrong is an answer."""
        began = time.perf_counter()
        with self.pending.hold() as hold:
            try:
                self.appender.check()
                return await entry.take(headers, receive, hold)
            except Refusal as refusal:
                return _refused(refusal)
            except Unparsable as error:
                return _refused(unparsable(str(error)))
            except TooMany as error:
                return _refused(too_many(str(error)))
            except LogAway:
                return _refused(log_away())
            except LogFull:
                return _refused(log_full())
            except LogRefused as error:
                _log.error("answered 500: %s", error)
                return _refused(log_refused())
            except Disconnected:
                raise
            except Exception:
                _log.exception("a request could not be answered")
                return _refused(internal())
            finally:
                entry.seconds.observe(time.perf_counter() - began)

    async def _touchpoints(self, headers: RequestHeaders, receive: Receive, hold: Hold) -> Answer:
        """``POST /v1/touchpoints``: one, an array, or NDJSON."""
        source = key_of_request(self.keys, headers).source
        body = await read_body(headers, receive, self._max_body_bytes, hold)
        arrival = _arrival()
        items = split(body, headers.get(b"content-type", b"").decode("latin-1"), self._max_batch)
        admission = admit(items, source, arrival.text, self._key_of)
        await self._append(admission, source, arrival, headers)
        return touchpoints_taken(admission)

    async def _batch(self, headers: RequestHeaders, receive: Receive, hold: Hold) -> Answer:
        """``POST /v1/batch`` of Segment's HTTP API."""
        body = await read_body(headers, receive, self._max_body_bytes, hold)
        batch = read_batch(body)
        key = batch.writeKey if isinstance(batch.writeKey, str) else None
        source = key_of_request(self.keys, headers, key).source
        if len(batch.batch) > self._max_batch:
            raise TooMany(f"more than {self._max_batch} calls: split them over several requests")
        return await self._calls([bytes(call) for call in batch.batch], None, batch.shared(), source, headers)

    def _taker_of(self, kind: str) -> Take:
        """What takes ``POST /v1/track`` and its like."""

        async def take(headers: RequestHeaders, receive: Receive, hold: Hold) -> Answer:
            body = await read_body(headers, receive, self._max_body_bytes, hold)
            source = key_of_request(self.keys, headers, read_single(body)).source
            return await self._calls([body], kind, Shared(), source, headers)

        return take

    async def _calls(self, calls: list[bytes], kind: str | None, shared: Shared, source: str, headers: RequestHeaders) -> Answer:
        arrival = _arrival()
        admission = admit_calls(calls, kind, shared, source, arrival.text, self._key_of, lambda: str(uuid.uuid4()))
        await self._append(admission, source, arrival, headers)
        return calls_taken(admission)

    async def _append(self, admission: Admission, source: str, arrival: Arrival, headers: RequestHeaders) -> None:
        """Returns when Kafka has acknowledged what was admitted, and what was rejected in quarantine."""
        by_topic: dict[str, Any] = {TOUCHPOINTS.name: admission.admitted}
        if admission.rejected:
            by_topic[QUARANTINE.name] = messages_of(admission.rejected, source, arrival.text)
        await self.appender.append(by_topic, arrival.milliseconds, _trace(headers))
        _accepted.inc(len(admission.admitted))
        if _log.isEnabledFor(logging.DEBUG):
            for message in admission.admitted:
                _log.debug("accepted", extra={"event_id": glimpse(message.value).event_id, "source": source})
        if admission.duplicates:
            metrics.INGEST_ITEMS.labels("duplicate", "").inc(len(admission.duplicates))
        for each in admission.rejected:
            metrics.INGEST_ITEMS.labels("rejected", each.reason).inc()


class Entry:
    """What takes in the requests of a path, and the metric of their durations."""

    def __init__(self, name: str, take: Take) -> None:
        self.name, self.take, self.seconds = name, take, metrics.INGEST_SECONDS.labels(name)


_accepted = metrics.INGEST_ITEMS.labels("accepted", "")


def _arrival() -> Arrival:
    milliseconds = time.time_ns() // 1_000_000
    return Arrival(from_millis(milliseconds), milliseconds)


def _refused(refusal: Refusal) -> Answer:
    metrics.INGEST_REFUSED.labels(refusal.code).inc()
    return refused(refusal)


def _trace(headers: RequestHeaders) -> Headers:
    found = checked(headers.get(TRACEPARENT_OF_REQUEST))
    return [(TRACEPARENT, found)] if found else NO_HEADERS


class FrontDoor:
    """The ASGI application: what channels send goes to the door, everything else to ``api``. Measured without
    network and Kafka, one touchpoint takes 32 us this way, and 131 us through the framework."""

    def __init__(self, door: Door, api: Any) -> None:
        self._door, self._api = door, api

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["method"] == "POST":
            entry = self._door.entries.get(scope["path"])
            if entry is not None:
                await self._answer(entry, scope, receive, send)
                return
        await self._api(scope, receive, send)

    async def _answer(self, entry: Entry, scope: Any, receive: Any, send: Any) -> None:
        try:
            answer = await self._door.answer(entry, dict(scope["headers"]), receive)
        except Disconnected:
            return
        await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
        await send({"type": "http.response.body", "body": answer.body})
