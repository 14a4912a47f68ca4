"""The HTTP door of loyalty: points are spent here. Reads a command, asks the stage, says what it answered."""

import logging
import re
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, NamedTuple

from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse, RedirectResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from fastapi_offline import FastAPIOffline
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from schemas.loyalty_events import Points, RedemptionId, Why
from services.loyalty.redeeming import Accepted, OtherContent, Redeem, TooFew, Unknown
from services.runtime.access_keys import AccessKey, AccessKeys
from services.runtime.commands import Unanswered
from services.runtime.http_server import nothing_here
from services.runtime.metrics import COMMANDS
from services.runtime.tracing import TRACEPARENT, Tracer, checked

MAX_BODY_BYTES = 16_384
RETRY_AFTER_SECONDS = 1
DESCRIPTION = """
Spend points of a customer's account. An answer of **200 means it is durable**: the same command sent again, with the same
`redemption_id`, is answered the same and spends nothing more, however often and whenever.

Give your key as `Authorization: Bearer KEY`. Errors are `{"success": false, "code", "message"}`; on 503 send the same again after
`Retry-After` seconds.
"""
_log = logging.getLogger(__name__)
_is_id = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").fullmatch


class Redemption(BaseModel):
    """What to spend."""

    model_config = ConfigDict(extra="forbid", strict=True)
    redemption_id: RedemptionId | None = Field(None, description="unique for ever; may come as the header Idempotency-Key instead")
    customer_id: str = Field(description="any id that the customer ever had")
    points: Points
    why: Why = Field("", description="in your words; kept with the redemption")


class Spent(BaseModel):
    """The points are spent."""

    success: bool = True
    redemption_id: str
    customer_id: str = Field(description="who the customer was then")
    points: int
    occurred_at: str = Field(description="UTC")
    balance: int = Field(description="of the account after it")


class Refused(BaseModel):
    """Nothing was spent. ``balance`` and ``available`` of insufficient_points: what the account has, and what of it can be spent now."""

    success: bool = False
    code: str = Field(description=", ".join(["insufficient_points", "conflicting_redemption", "unknown_customer", "…"]))
    message: str = Field(description="what is wrong, and the remedy")
    path: str | None = Field(None, description="of invalid: the field, such as $.points")
    balance: int | None = None
    available: int | None = None


class Refusal(Exception):
    """Raised while a request is read. Nothing was asked."""

    def __init__(self, status: int, code: str, message: str, path: str | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.path = status, code, path


class Reply(NamedTuple):
    """``answer``: as the metric names it."""

    status: int
    answer: str
    body: BaseModel
    headers: dict[str, str] = {}


Ask = Callable[[Redeem], Awaitable[Any]]
"""Gives the stage's answer. Raises Unanswered."""
REFUSALS: dict[int | str, dict[str, Any]] = {
    401: {"model": Refused, "description": "unauthorized: no known key"},
    404: {"model": Refused, "description": "unknown_customer: nobody has an account under this id (yet)"},
    409: {"model": Refused, "description": "insufficient_points, or conflicting_redemption: the id was used for another redemption"},
    413: {"model": Refused, "description": f"too_large: more than {MAX_BODY_BYTES} bytes"},
    415: {"model": Refused, "description": "unknown_encoding: the body must come as it is"},
    422: {"model": Refused, "description": "invalid: the body is not such a command; `path` says where"},
    503: {"model": Refused, "description": "unanswered: the store is away or busy; see Retry-After"},
}


def create_app(ask: Ask, keys: AccessKeys, tracer: Tracer | None = None) -> FastAPI:
    """The ASGI application. Its pages bring their scripts along: they work without any other site. ``tracer``: a span for each command,
    under which what follows from it goes on; without one its ``traceparent`` is handed on as it came."""
    api = FastAPIOffline(title="Rapport loyalty", version="1", description=DESCRIPTION)
    bearer = HTTPBearer(auto_error=False, description="`rapport keys create NAME --for redemptions` makes one")
    body = {"required": True, "content": {"application/json": {"schema": Redemption.model_json_schema(), "examples": EXAMPLES}}}

    @api.post("/v1/redemptions", summary="Spend points", response_model=Spent, responses=REFUSALS, openapi_extra={"requestBody": body})
    async def redeem(request: Request, given: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]) -> JSONResponse:
        traceparent = checked(request.headers.get(TRACEPARENT, "").encode())
        span = tracer.request(f"POST {request.url.path}", traceparent) if tracer else None
        try:
            command = await _command(request, _key(keys, given))
            reply = await _asked(ask, command._replace(traceparent=(span and span.traceparent) or traceparent))
        except Refusal as refusal:
            reply = _refused(refusal.status, refusal.code, str(refusal), path=refusal.path)
        except ClientDisconnect:
            reply = _refused(499, "disconnected", "the request ended before its body was whole")
        except Exception:
            _log.exception("a redemption could not be answered")
            reply = _refused(500, "internal", "a mistake of Rapport's own, which its log shows: send the same again later")
        if span:
            span.end(reply.status)
        COMMANDS.labels("loyalty", reply.answer).inc()
        return JSONResponse(reply.body.model_dump(exclude_none=True), reply.status, reply.headers)

    @api.get("/", include_in_schema=False)
    async def welcome() -> RedirectResponse:
        return RedirectResponse("/docs")

    @api.exception_handler(HTTPException)
    async def no_such_path(request: Request, error: HTTPException) -> JSONResponse:
        code, message = nothing_here(request.method, error)
        told = Refused(code=code, message=message)
        return JSONResponse(told.model_dump(exclude_none=True), error.status_code, error.headers)

    return api


def _key(keys: AccessKeys, given: HTTPAuthorizationCredentials | None) -> AccessKey:
    known = keys.check(given.credentials) if given else None
    if known is None:
        how = "`rapport keys create NAME --for redemptions` makes one, which comes as `Authorization: Bearer KEY`"
        raise Refusal(401, "unauthorized", f"no known key for redemptions came with the request: {how}; a write key may not spend points")
    return known


async def _command(request: Request, key: AccessKey) -> Redeem:
    try:
        said = Redemption.model_validate_json(await _read(request))
    except ValidationError as error:
        wrong = error.errors()[0]
        raise _invalid(wrong["msg"], ".".join(["$", *map(str, wrong["loc"])])) from error
    if not _is_id(said.customer_id):
        hint = "`rapport customer TYPE:VALUE` shows it"
        raise _invalid(f"must be a customer's id such as 4010e4b1-8605-a0ad-a139-081b2691e44f: {hint}", "$.customer_id")
    return Redeem(_id(said.redemption_id, request.headers.get("idempotency-key")), said.customer_id, said.points, said.why, key.source)


def _id(in_body: str | None, in_header: str | None) -> str:
    if in_header is not None and not (0 < len(in_header) <= 200 and in_header.isascii() and in_header.isprintable()):
        raise _invalid("the header Idempotency-Key must have 1 to 200 printable ASCII characters", "Idempotency-Key")
    if in_body is None and in_header is None:
        raise _invalid("give the command an id of its own, as redemption_id or as the header Idempotency-Key", "$.redemption_id")
    if None not in (in_body, in_header) and in_body != in_header:
        raise _invalid("redemption_id and the header Idempotency-Key must be the same where both are given", "$.redemption_id")
    return in_body or in_header or ""


def _invalid(message: str, path: str) -> Refusal:
    return Refusal(422, "invalid", message, path)


async def _read(request: Request) -> bytes:
    if (encoding := request.headers.get("content-encoding", "identity")) != "identity":
        raise Refusal(415, "unknown_encoding", f"Content-Encoding {encoding[:40]!r} is not known here: send the body as it is")
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY_BYTES:
            raise Refusal(413, "too_large", f"a redemption has no more than {MAX_BODY_BYTES} bytes")
    return body


async def _asked(ask: Ask, command: Redeem) -> Reply:
    try:
        answer = await ask(command)
    except Unanswered as silence:
        message = f"{silence}: nothing is known to be spent; send the same again after Retry-After seconds"
        return _refused(503, "unanswered", message, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})
    match answer:
        case Accepted(said, repeated):
            told = Spent(
                redemption_id=said.redemption_id,
                customer_id=said.account_id,
                points=said.points,
                occurred_at=said.occurred_at,
                balance=said.balance,
            )
            return Reply(200, "repeated" if repeated else "accepted", told, {"Idempotent-Replayed": "true"} if repeated else {})
        case TooFew(balance, available):
            message = f"{command.points} points are wanted and {available} can be spent now (balance {balance}): nothing was spent"
            return _refused(409, "insufficient_points", message, balance=balance, available=available)
        case OtherContent(points):
            message = f"{command.redemption_id!r} is the id of another redemption, of {points} points, that was accepted before: "
            return _refused(409, "conflicting_redemption", message + "give each redemption an id of its own")
        case Unknown():
            message = "nobody has an account under this id: it begins with what the programme rewards, or is on its way"
            return _refused(404, "unknown_customer", message)
    raise AssertionError(f"no answer is {answer!r}")


def _refused(status: int, code: str, message: str, headers: dict[str, str] | None = None, **more: Any) -> Reply:
    told = headers or ({"WWW-Authenticate": 'Bearer realm="rapport"'} if status == 401 else {})
    return Reply(status, code, Refused(code=code, message=message, **more), told)


EXAMPLES = {
    "voucher": {
        "value": {
            "redemption_id": "voucher-2025-0017",
            "customer_id": "4010e4b1-8605-a0ad-a139-081b2691e44f",
            "points": 40,
            "why": "voucher of 4 EUR",
        }
    }
}
