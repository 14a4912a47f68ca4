"""Whether the engines of an installation can be reached, asked as the services would."""

import asyncio
import sqlite3

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from services.runtime.kafka import KafkaConnection
from services.runtime.warehouse import WarehouseAway


class Unreached(Exception):
    """Raised when an engine does not answer as it should, in its client's own words."""


AWAY: tuple[type[Exception], ...] = (Unreached, KafkaError, WarehouseAway)
"""What comes of an engine that cannot be reached, or not now."""


def count_topics(connection: KafkaConnection, within_s: float = 10.0) -> int:
    """How many topics Kafka shows us. Raises Unreached."""
    try:
        return asyncio.run(asyncio.wait_for(_count_topics(connection), within_s))
    except Exception as error:  # a client may raise anything from DNS to TLS to SASL: all of it means the same
        raise Unreached(f"{type(error).__name__}: {error}") from error


async def _count_topics(connection: KafkaConnection) -> int:
    admin = AIOKafkaAdminClient(**connection.client_settings())
    try:
        await admin.start()
        return len(await admin.list_topics())
    finally:
        await admin.close()


def postgres_version(url: str, within_s: int = 5) -> str:
    """Raises Unreached."""
    import psycopg

    try:
        with psycopg.connect(url, connect_timeout=within_s) as connection:
            return f"{connection.info.server_version // 10_000}.{connection.info.server_version % 10_000}"
    except psycopg.Error as error:
        raise Unreached(str(error).strip()) from error


def sqlite_version() -> str:
    return sqlite3.sqlite_version
