"""A database of one stack's own in somebody's PostgreSQL."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.sql import SQL, Composed, Identifier

PORT = 5432


class NoDatabase(Exception):
    """Raised by ``own_database``: the server cannot be reached, or its user may not make databases."""


@contextmanager
def own_database(server: str) -> Iterator[str]:
    """Its address, in libpq's words; the database is dropped on leaving. Raises NoDatabase."""
    name = f"rapport_chaos_{uuid.uuid4().hex[:12]}"
    try:
        _command(server, SQL("CREATE DATABASE {}").format(Identifier(name)))
    except psycopg.Error as error:
        raise NoDatabase(str(error).strip()) from error
    try:
        yield psycopg.conninfo.make_conninfo(server, dbname=name)
    finally:
        _command(server, SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))


def place_of(address: str) -> tuple[str, int] | str:
    """Where the server listens: host and port, or the path of its socket."""
    said = conninfo_to_dict(address)
    host, port = str(said.get("host") or "127.0.0.1"), int(said.get("port") or PORT)
    return f"{host}/.s.PGSQL.{port}" if host.startswith("/") else (host, port)


def through(address: str, host: str, port: int) -> str:
    """The same database by another way, as a URL."""
    said = conninfo_to_dict(address)
    who = ":".join(quote(str(said.get(one, "")), safe="") for one in ("user", "password"))
    return f"postgresql://{who}@{host}:{port}/{said['dbname']}"


def _command(server: str, command: Composed) -> None:
    with psycopg.connect(server, autocommit=True) as db:
        db.execute(command)
