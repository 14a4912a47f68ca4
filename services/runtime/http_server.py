"""Serves an ASGI application in the running loop, beside whatever else the process does."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, NamedTuple

import uvicorn
from starlette.exceptions import HTTPException

from services.runtime.joined_writes import JoiningProtocol

FINISH_SECONDS = 1
"""For requests that are under way when it stops."""


class Server(uvicorn.Server):
    """uvicorn without its signal handling, which would kill the process by the signal after a clean stop."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Door(NamedTuple):
    """Where an application is served. ``port`` 0: a free one."""

    app: Any
    host: str
    port: int


class PortInUse(Exception):
    """Raised by ``serving``: somebody else listens there, or this user may not."""


def nothing_here(method: str, error: HTTPException) -> tuple[str, str]:
    """Code and message of a request to no path that there is (404), or with a method that the path does not take (405)."""
    if error.status_code == 405 and (allowed := (error.headers or {}).get("Allow")):
        return "method_not_allowed", f"{method} is not allowed here, {allowed} is: see /docs for what there is"
    return "not_found" if error.status_code == 404 else "refused", f"{error.detail}: see /docs for what there is"


def config_of(app: Any, **options: Any) -> uvicorn.Config:
    """What holds for every application of Rapport's, and ``options`` of uvicorn's own."""
    return uvicorn.Config(
        app,
        http=JoiningProtocol,
        ws="none",
        lifespan="off",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        log_config=None,
        **options,
    )


@asynccontextmanager
async def serving(door: Door) -> AsyncIterator[int]:
    """Serves until it is left; gives the port. Raises PortInUse."""
    try:
        listening = socket.create_server((door.host, door.port), backlog=1024)
    except OSError as error:
        raise PortInUse(f"port {door.port} of {door.host} cannot be used: {error}") from error
    server = Server(config_of(door.app, timeout_graceful_shutdown=FINISH_SECONDS))
    task = asyncio.create_task(server.serve([listening]))
    try:
        yield listening.getsockname()[1]
    finally:
        server.should_exit = True
        await task
        listening.close()
