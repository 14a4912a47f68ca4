"""Whether a stage's own store is whole, asked when the stage starts: it must not decide anything on half a memory.

What was published is on Kafka, numbered 1, 2, 3… over the whole store. A store that ends before the highest number seen there was deleted,
or is an old copy: the stage would number its events anew, and subscribers would drop them as repeats.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from aiokafka.errors import KafkaError

from services.runtime.event_store import StoreLost
from services.runtime.kafka import KafkaConnection
from services.runtime.log_reader import Log, LogReader, TopicMissing
from services.runtime.sqlite_file import is_damage

log = logging.getLogger(__name__)
CHECKED_WHOLE_BYTES = 128 << 20
"""SQLite checks some 300 MB a second. Of a larger file only its length and the edges of its tables are looked at before the stage
starts, and the whole while it runs."""
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.2, 5.0


def check_file(path: Path, whole: bool = False) -> None:
    """Raises StoreLost where SQLite cannot use the file. One that is missing or empty is none yet, which says nothing. ``whole``: also of
    a large file all is looked at, which takes seconds a gigabyte."""
    if not path.exists() or not path.stat().st_size:
        return
    with closing(sqlite3.connect(path, timeout=5)) as db:
        problem = _seen(lambda: _problem_of(db, path, whole))
    if problem is not None:
        raise StoreLost(f"{path} is damaged ({problem})")


async def check_whole_file(path: Path) -> None:
    """Raises StoreLost where SQLite finds anything wrong in the whole file, which may take minutes. It is read in a thread, beside whoever
    uses it; cancelling ends that at once."""
    db = sqlite3.connect(path, timeout=5, check_same_thread=False)
    checking = asyncio.ensure_future(asyncio.to_thread(_seen, lambda: _problem_anywhere(db)))
    try:
        problem = await asyncio.shield(checking)
    except asyncio.CancelledError:
        db.interrupt()
        await asyncio.gather(checking, return_exceptions=True)
        raise
    finally:
        db.close()
    if problem is not None:
        raise StoreLost(f"{path} is damaged ({problem})")


def is_large(path: Path) -> bool:
    """Whether ``check_file`` does not look at the whole of it."""
    return path.exists() and _bytes_of(path) > CHECKED_WHOLE_BYTES


def _problem_of(db: sqlite3.Connection, path: Path, whole: bool) -> str | None:
    ((pages,),) = db.execute("PRAGMA page_count")
    ((page_size,),) = db.execute("PRAGMA page_size")
    there = _bytes_of(path)
    if there < pages * page_size:
        return f"it has {there:,} of {pages * page_size:,} bytes: it was truncated"
    if whole or there <= CHECKED_WHOLE_BYTES:
        return _problem_anywhere(db)
    for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        for end in ("", "DESC"):
            db.execute(f'SELECT * FROM "{table}" ORDER BY 1 {end} LIMIT 1').fetchone()
    return None


def _problem_anywhere(db: sqlite3.Connection) -> str | None:
    said = str(db.execute("PRAGMA quick_check(1)").fetchone()[0])
    return None if said == "ok" else said.replace("\n", " ")


def _seen(look: Callable[[], str | None]) -> str | None:
    """What it finds; where SQLite cannot even look, because the file is damaged, that."""
    try:
        return look()
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
        return str(error)


def _bytes_of(path: Path) -> int:
    ahead = path.with_name(path.name + "-wal")
    return path.stat().st_size + (ahead.stat().st_size if ahead.exists() else 0)


async def check_history(last_id: int, connection: KafkaConnection, topic: str, remedy: str) -> None:
    """Raises StoreLost where the topic has events that a store which ends with ``last_id`` does not know. Waits while Kafka is away."""
    pause = FIRST_PAUSE_SECONDS
    while True:
        try:
            published = await published_up_to(connection, topic)
            break
        except (KafkaError, OSError) as away:
            log.warning("waiting for Kafka, to see what was published: %r", away)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
    if last_id < published:
        raise StoreLost(f"the store ends at event {last_id:,}, {topic} has {published:,}: deleted, or an old copy. {remedy}")


async def published_up_to(connection: KafkaConnection, topic: str) -> int:
    """The highest notification id among the last messages of the topic's partitions; 0 where there are none."""
    async with LogReader(connection) as log:
        try:
            return await highest_id(log, topic)
        except TopicMissing:
            return 0


async def highest_id(log: Log, topic: str) -> int:
    """The same, of a log that is open. Raises TopicMissing."""
    ends = {tp: end for tp, end in (await log.ends([topic])).items() if end}
    highest = 0
    async for fetched in log.read({tp: end - 1 for tp, end in ends.items()}, ends):
        for records in fetched.values():
            for record in records:
                id = dict(record.headers).get("id", b"")
                highest = max(highest, int(id) if id.isdigit() else 0)
    return highest
