"""Whether everything that was said has arrived everywhere: exact positions, not the services' own opinion of them."""

import sqlite3
from collections.abc import Sequence

import psycopg
from aiokafka.errors import KafkaError
from clickhouse_driver import Client
from clickhouse_driver.errors import Error

from schemas.topics import (
    LOYALTY_ACCOUNTS,
    LOYALTY_CHANGES,
    PROFILE_CHANGES,
    PROFILES,
    QUARANTINE,
    TOUCHPOINTS,
)
from services.chaos.log_reader import LogReader
from services.chaos.stack import Stack
from services.runtime.store_snapshot import StoreMissing

PROJECTED = (PROFILE_CHANGES.name, PROFILES.name, LOYALTY_CHANGES.name, LOYALTY_ACCOUNTS.name, QUARANTINE.name)


def quiet(stack: Stack, log: LogReader) -> bool | str:
    """True; or the first thing that is not where it should be, from the log's beginning to its end."""
    for name in ("profile", "loyalty"):  # first, since it is cheap
        if (found := _stage_is_behind(stack, name, {})) is not None:
            return f"{name}: {found}"
    try:
        every = log.ends([TOUCHPOINTS.name, *PROJECTED])
    except (KafkaError, OSError) as error:
        return f"Kafka: {error!r}"
    for name, topic in (("profile", TOUCHPOINTS.name), ("loyalty", PROFILE_CHANGES.name)):
        ends = {f"{topic}:{number}": end for (of, number), end in every.items() if of == topic}
        if (found := _stage_is_behind(stack, name, ends)) is not None:
            return f"{name}: {found}"
    return _projections_are_behind(stack, {tp: end for tp, end in every.items() if tp[0] in PROJECTED}) or stack.healthy()


def _stage_is_behind(stack: Stack, stage: str, ends: dict[str, int]) -> str | None:
    """What the stage has not taken, published, or shown whole."""
    try:
        with stack.store(stage) as store:
            stored, last = store.positions(), store.last_id()
            published, shown = store.watermark("published"), store.watermark("snapshots")
    except (StoreMissing, sqlite3.Error, psycopg.Error) as error:
        return f"its store cannot be read: {error}"
    lag = {name: end - stored.get(name, 0) for name, end in ends.items() if end != stored.get(name, 0)}
    if lag:
        return f"has not taken {lag}"
    if (published, shown) != (last, last):
        return f"has {last} events, published {published}, shown {shown}"
    return None


def _projections_are_behind(stack: Stack, ends: dict[tuple[str, int], int]) -> str | None:
    try:
        rows: Sequence[tuple[str, int, int]] = client_of(stack).execute(
            "SELECT topic, partition, max(next) FROM rapport_store.positions GROUP BY topic, partition"
        )
    except (Error, OSError, EOFError) as error:
        return f"projections: {error!r}"
    stored = {(topic, partition): next for topic, partition, next in rows}
    lag = {f"{topic}:{number}": end - stored.get((topic, number), 0) for (topic, number), end in ends.items()}
    behind = {name: count for name, count in lag.items() if count}
    return f"projections: have not taken {behind}" if behind else None


def client_of(stack: Stack) -> Client:
    """ClickHouse itself, not through the proxy."""
    return Client("127.0.0.1", port=stack.clickhouse_port, connect_timeout=2, send_receive_timeout=60)
