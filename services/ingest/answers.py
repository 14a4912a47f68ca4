"""What requests are answered, described for OpenAPI and written at full speed."""

import time
from typing import Any, Literal, NamedTuple

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from schemas.compiled import struct_of
from services.ingest.admission import Admission
from services.ingest.refusals import Refusal

JSON = (b"content-type", b"application/json")
ANY_ORIGIN = (b"access-control-allow-origin", b"*")


class Answer(NamedTuple):
    """One HTTP answer."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


class DuplicateItem(BaseModel):
    """An item that stood earlier in the same request: a success, sent once."""

    index: int = Field(description="position in the request, from 0")
    event_id: str


class RejectedItem(BaseModel):
    """An item that is not a touchpoint. It is in quarantine."""

    index: int = Field(description="position in the request, from 0 (of NDJSON: among the lines that are not blank)")
    event_id: str | None
    reason: str = Field(description="such as invalid, unknown_type, time_out_of_range, too_large, not_utf8")
    path: str = Field(description="the field, such as $.payload.total_minor")
    detail: str = Field(description="what is wrong, and the remedy")


class TouchpointsTaken(BaseModel):
    """Kafka has acknowledged every accepted touchpoint, and quarantine holds every rejected item."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "success": True,
                "accepted": 2,
                "duplicates": [{"index": 1, "event_id": "till-17-000123"}],
                "rejected": [
                    {
                        "index": 3,
                        "event_id": "till-17-000125",
                        "reason": "invalid",
                        "path": "$.payload.total_minor",
                        "detail": "Expected `int` >= 0",
                    }
                ],
            }
        }
    )
    success: Literal[True]
    accepted: int
    duplicates: list[DuplicateItem]
    rejected: list[RejectedItem]


class DuplicateCall(BaseModel):
    """A call that stood earlier in the same batch."""

    index: int
    messageId: str


class RejectedCall(BaseModel):
    """A call that is not understood. It is in quarantine."""

    index: int
    messageId: str | None
    code: str = Field(description="such as invalid, unknown_type, time_out_of_range")
    message: str = Field(description="what is wrong, and the remedy")
    path: str = Field(description="the field of the call, such as $.properties.total")


class CallsTaken(BaseModel):
    """The answer to Segment's calls: senders look at ``success``, people at the rest."""

    success: Literal[True]
    accepted: int
    duplicates: list[DuplicateCall]
    rejected: list[RejectedCall]


class Refused(BaseModel):
    """The whole request was refused: nothing of it was kept."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "success": False,
                "code": "log_away",
                "message": "the log is away, nothing is acknowledged: send the same again after Retry-After seconds",
            }
        }
    )
    success: Literal[False]
    code: str
    message: str = Field(description="what is wrong, and the remedy")


_encode = msgspec.json.Encoder().encode
_TouchpointsTaken, _DuplicateItem, _RejectedItem = struct_of(TouchpointsTaken), struct_of(DuplicateItem), struct_of(RejectedItem)
_CallsTaken, _DuplicateCall, _RejectedCall = struct_of(CallsTaken), struct_of(DuplicateCall), struct_of(RejectedCall)


def touchpoints_taken(admission: Admission) -> Answer:
    """The answer to native touchpoints."""
    taken: Any = _TouchpointsTaken(
        success=True,
        accepted=len(admission.admitted),
        duplicates=[_DuplicateItem(index=each.index, event_id=each.event_id) for each in admission.duplicates],
        rejected=[
            _RejectedItem(index=each.index, event_id=each.event_id, reason=each.reason, path=each.path, detail=each.detail)
            for each in admission.rejected
        ],
    )
    return json_answer(200, _encode(taken))


def calls_taken(admission: Admission) -> Answer:
    """The answer to Segment's calls."""
    taken: Any = _CallsTaken(
        success=True,
        accepted=len(admission.admitted),
        duplicates=[_DuplicateCall(index=each.index, messageId=each.event_id) for each in admission.duplicates],
        rejected=[
            _RejectedCall(index=each.index, messageId=each.event_id, code=each.reason, message=each.detail, path=each.path)
            for each in admission.rejected
        ],
    )
    return json_answer(200, _encode(taken))


def refused(refusal: Refusal) -> Answer:
    """Retry-After is in seconds; X-RateLimit-Reset in epoch seconds."""
    answer = json_answer(refusal.status, _encode({"success": False, "code": refusal.code, "message": refusal.message}))
    if refusal.retry_after is not None:
        answer.headers.append((b"retry-after", b"%d" % refusal.retry_after))
        if refusal.status == 429:
            answer.headers.append((b"x-ratelimit-reset", b"%d" % (int(time.time()) + refusal.retry_after)))
    if refusal.status == 401:
        answer.headers.append((b"www-authenticate", b'Bearer realm="rapport"'))
    return answer


def json_answer(status: int, body: bytes) -> Answer:
    return Answer(status, [JSON, (b"content-length", b"%d" % len(body)), ANY_ORIGIN], body)
