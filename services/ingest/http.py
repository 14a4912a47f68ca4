"""The HTTP API as a framework sees it: descriptions for /docs, and the paths that are not in a hurry."""

from typing import Any

from fastapi import FastAPI, Request
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse, Response
from fastapi_offline import FastAPIOffline
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException

from services.ingest.answers import CallsTaken, Refused, TouchpointsTaken, refused
from services.ingest.door import Door, FrontDoor
from services.ingest.refusals import Refusal, log_away, log_full
from services.ingest.request_body import Disconnected
from services.ingest.segment import KINDS
from services.ingest.touchpoint_models import EXAMPLES, touchpoint_schema
from services.runtime.http_server import nothing_here
from services.runtime.metrics import INGEST

DESCRIPTION = """
Tell Rapport what happened between you and a customer. An answer of **200 means it is safe**: Kafka has acknowledged every
accepted touchpoint. Sending the same event again, with the same `event_id`, counts once, however often and whenever.

Give your write key as `Authorization: Bearer KEY`. Errors are `{"success": false, "code", "message"}`; on 429 and 503 send
the same again after `Retry-After` seconds.
"""
REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"model": Refused, "description": "The body is not JSON; the message says where"},
    401: {"model": Refused, "description": "No known write key"},
    413: {"model": Refused, "description": "Too many bytes (also after decompression), or too many items"},
    429: {"model": Refused, "description": "Too much is waiting to be written; see Retry-After and X-RateLimit-Reset"},
    503: {"model": Refused, "description": "Kafka is away, or hardly has room left; see Retry-After"},
}
ORIGINS_MAY: dict[str, Any] = {
    "allow_origins": ["*"],
    "allow_methods": ["GET", "POST", "OPTIONS"],
    "allow_headers": ["Authorization", "Content-Type", "Content-Encoding", "X-Write-Key", "X-Retry-Count", "Traceparent"],
    "expose_headers": ["Retry-After", "X-RateLimit-Reset"],
    "max_age": 86_400,
}


def create_app(door: Door) -> FrontDoor:
    """The ASGI application around a door. Its pages bring their scripts along: they work without any other site."""
    api = FastAPIOffline(title="Rapport ingest", version="1", description=DESCRIPTION, openapi_url="/openapi.json")
    api.add_middleware(CORSMiddleware, **ORIGINS_MAY)
    api.add_exception_handler(HTTPException, _no_such_path)
    _add_intake(api, door)
    _add_segment_settings(api, door)
    _add_operations(api, door)
    _describe_touchpoints(api)
    return FrontDoor(door, api)


def _add_intake(api: FastAPI, door: Door) -> None:
    """The paths that the front door answers itself, described, and answered in the same way."""

    async def take(request: Request) -> Response:
        try:
            answer = await door.answer(door.entries[request.url.path], dict(request.scope["headers"]), request.receive)
        except Disconnected:
            return Response(status_code=499)
        return Response(answer.body, answer.status, {name.decode(): value.decode() for name, value in answer.headers})

    api.post("/v1/touchpoints", response_model=TouchpointsTaken, responses=REFUSALS, summary="Touchpoints", openapi_extra=_TOUCHPOINTS)(
        take
    )
    batch = {"requestBody": _body(_CALLS_SCHEMA, {"batch": {"value": _BATCH}})}
    api.post("/v1/batch", response_model=CallsTaken, responses=REFUSALS, summary="Segment: batch", openapi_extra=batch)(take)
    for kind in KINDS:
        call = {"requestBody": _body({"type": "object"}, {kind: {"value": _CALLS[kind]}})}
        api.post(f"/v1/{kind}", response_model=CallsTaken, responses=REFUSALS, summary=f"Segment: {kind}", openapi_extra=call)(take)


def _add_segment_settings(api: FastAPI, door: Door) -> None:
    @api.get("/v1/projects/{write_key}/settings", summary="Segment: what the browser SDK asks first", responses={404: {"model": Refused}})
    async def settings(write_key: str, request: Request) -> dict[str, Any]:
        if door.keys.check(write_key) is None:
            raise HTTPException(404, "no such write key")
        scheme = request.headers.get("x-forwarded-proto", request.url.scheme)
        return {"integrations": {"Segment.io": {"apiKey": write_key, "apiHost": f"{request.url.netloc}/v1", "protocol": scheme}}}

    @api.post("/v1/m", include_in_schema=False)
    @api.post("/v1/m/", include_in_schema=False)
    async def measurements_of_the_sdk_itself() -> dict[str, bool]:
        return {"success": True}


def _add_operations(api: FastAPI, door: Door) -> None:
    @api.get("/", summary="Where to look", include_in_schema=False)
    async def welcome() -> dict[str, str]:
        return {
            "service": "Rapport ingest: send touchpoints here",
            "docs": "/docs",
            "openapi": "/openapi.json",
            "touchpoints": "POST /v1/touchpoints",
            "health": "/healthz, /readyz, /metrics",
        }

    @api.get("/healthz", summary="Alive")
    async def alive() -> dict[str, str]:
        return {"status": "alive"}

    @api.get("/readyz", summary="Ready: Kafka answers and has room", responses={503: {"model": Refused}})
    async def ready() -> Response:
        problem = await door.appender.probe()
        if problem is None:
            return JSONResponse({"status": "ready"})
        refusal = log_full() if door.appender.full else log_away()
        body = {"success": False, "code": refusal.code, "message": problem}
        return JSONResponse(body, refusal.status, {"Retry-After": str(refusal.retry_after)})

    @api.get("/metrics", summary="Prometheus", response_class=Response)
    async def measured() -> Response:
        return Response(generate_latest() + generate_latest(INGEST), media_type=CONTENT_TYPE_LATEST)


async def _no_such_path(request: Request, error: Exception) -> Response:
    """404 and 405 in the form that all errors have."""
    assert isinstance(error, HTTPException)
    answer = refused(Refusal(error.status_code, *nothing_here(request.method, error)))
    return Response(answer.body, answer.status, media_type="application/json", headers=error.headers)


def _describe_touchpoints(api: FastAPI) -> None:
    """Adds the touchpoints' schemas and the ways to give a write key to the generated description."""
    generated = api.openapi

    def openapi() -> dict[str, Any]:
        if api.openapi_schema is None:
            description = generated()
            schema, components = touchpoint_schema()
            description["components"]["schemas"] |= components | {"Touchpoint": schema}
            description["components"]["securitySchemes"] = _SECURITY
            for operations in description["paths"].values():
                if "post" in operations:
                    operations["post"]["security"] = [{name: []} for name in _SECURITY]
        return api.openapi_schema or description

    api.openapi = openapi  # type: ignore[method-assign]


_SECURITY = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "basic": {"type": "http", "scheme": "basic", "description": "the write key as user, no password"},
    "key": {"type": "apiKey", "in": "header", "name": "X-Write-Key"},
}
_TOUCHPOINT = {"$ref": "#/components/schemas/Touchpoint"}
_TOUCHPOINTS = {
    "requestBody": {
        "required": True,
        "description": "One touchpoint, an array of them, or NDJSON (one a line); `Content-Encoding: gzip` is understood.",
        "content": {
            "application/json": {"schema": {"oneOf": [_TOUCHPOINT, {"type": "array", "items": _TOUCHPOINT}]}, "examples": EXAMPLES},
            "application/x-ndjson": {"schema": {"type": "string", "description": "one touchpoint a line"}},
        },
    }
}
_CALLS_SCHEMA = {
    "type": "object",
    "required": ["batch"],
    "properties": {
        "batch": {"type": "array", "items": {"type": "object"}},
        "sentAt": {"type": "string", "format": "date-time"},
        "writeKey": {"type": "string"},
        "context": {"type": "object"},
        "integrations": {"type": "object"},
    },
}
_WHO = {"userId": "C-1017", "timestamp": "2026-01-31T12:00:00.000Z"}
_ORDER = {"order_id": "B-000123", "total": 9.0, "currency": "EUR", "products": [{"sku": "TEA-1", "price": 4.5, "quantity": 2}]}
_CALLS: dict[str, dict[str, Any]] = {
    "identify": {**_WHO, "messageId": "m-1", "traits": {"email": "ada@example.com", "city": "London"}},
    "track": {**_WHO, "messageId": "m-2", "event": "Order Completed", "properties": _ORDER},
    "page": {**_WHO, "messageId": "m-3", "name": "Home", "properties": {"path": "/", "referrer": "https://example.com/"}},
    "screen": {**_WHO, "messageId": "m-4", "name": "Basket"},
    "group": {**_WHO, "messageId": "m-5", "groupId": "acme", "traits": {"name": "Acme"}},
    "alias": {**_WHO, "messageId": "m-6", "previousId": "a-5521"},
}
_BATCH = {"batch": [{"type": kind, **call} for kind, call in _CALLS.items()], "sentAt": "2026-01-31T12:00:01.000Z"}


def _body(schema: dict[str, Any], examples: dict[str, Any]) -> dict[str, Any]:
    return {"required": True, "content": {"application/json": {"schema": schema, "examples": examples}}}
