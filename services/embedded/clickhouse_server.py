"""A ClickHouse server on loopback: the real engine (chdb) behind ClickHouse's native TCP and HTTP protocols.

`python -m services.embedded.clickhouse_server --data-dir D --tcp-port P --http-port Q`. It runs until SIGTERM or SIGINT.
Users: `default` may do everything but what access.py refuses to all, `analyst` may only read; neither has a password.
"""

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import uvicorn
import uvloop

from services.embedded import directory_lock, http_interface
from services.embedded.engine import Engine
from services.embedded.errors import EmbeddedStackError
from services.embedded.native_connection import NativeConnection
from services.embedded.native_stream import NativeStream
from services.embedded.processes import LOOPBACK, require_free_port
from services.embedded.query_admission import Admission

QUERIES_AT_ONCE = 64
DEFAULT_MEMORY_BYTES = 700_000_000
STREAM_LIMIT_BYTES = 4 * 1024 * 1024
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ServerOptions:
    data_dir: Path
    tcp_port: int
    http_port: int
    max_memory_bytes: int = DEFAULT_MEMORY_BYTES


class _HttpServer(uvicorn.Server):
    """Leaves signals to this module."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(engine: Engine, options: ServerOptions) -> None:
    """Listens on both ports until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    threads = ThreadPoolExecutor(QUERIES_AT_ONCE, thread_name_prefix="query")
    admission = Admission(engine)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await NativeConnection(engine, admission, threads, NativeStream(reader, writer)).serve()

    http = _HttpServer(http_interface.uvicorn_config(engine, admission, threads, options.http_port))
    http_task = asyncio.create_task(http.serve())
    native = await asyncio.start_server(connected, LOOPBACK, options.tcp_port, limit=STREAM_LIMIT_BYTES, backlog=1024)
    _log.info("ClickHouse %s is ready: tcp %d, http %d", engine.version, options.tcp_port, options.http_port)
    stopping = asyncio.create_task(stop.wait())
    # One door without the other is no server: its supervisor starts a new one.
    await asyncio.wait({stopping, http_task}, return_when=asyncio.FIRST_COMPLETED)
    native.close()
    http.should_exit = True
    await asyncio.wait({http_task}, timeout=2)


def run(options: ServerOptions) -> None:
    """Raises DirectoryInUse or PortTaken before anything is touched."""
    with directory_lock.hold(options.data_dir / "clickhouse.lock", f"The ClickHouse directory {options.data_dir}"):
        require_free_port(options.tcp_port, "--tcp-port", "ClickHouse (native)")
        require_free_port(options.http_port, "--http-port", "ClickHouse (HTTP)")
        engine = Engine(options.data_dir / "clickhouse", options.data_dir / "clickhouse-config.xml", options.max_memory_bytes)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(engine, options))
            # Threads in the middle of a query would keep the process; what was acknowledged is on disk.
            os._exit(0)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m services.embedded.clickhouse_server", description=__doc__)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--tcp-port", type=int, default=9000)
    parser.add_argument("--http-port", type=int, default=8123)
    parser.add_argument("--max-memory-bytes", type=int, default=DEFAULT_MEMORY_BYTES)
    chosen = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        run(ServerOptions(chosen.data_dir, chosen.tcp_port, chosen.http_port, chosen.max_memory_bytes))
    except EmbeddedStackError as failure:
        sys.exit(str(failure))


if __name__ == "__main__":
    main()
