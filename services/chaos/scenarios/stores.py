"""A stage's own store goes missing, is cut short, or lies: the stage says so and does not work on it, and `rapport rebuild` mends it."""

import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from services.chaos.play import SQLITE, Play, Scenario
from services.chaos.scenarios.state import written_back
from services.chaos.stack import Service
from services.cli.verify_command import DIFFERENT
from services.runtime.stage_process import STORE_LOST

COMMAND_SECONDS = 300
"""Of the log of all short scenarios together: a slow machine needs more than a minute to prove that."""
LONG_COMMAND_SECONDS = 1_800
COUNT = {"profile": ("rows_facts", 2), "loyalty": ("rows_accounts", 2)}
"""Of each stage a table, and the place of a number in its rows: the touchpoints by an identifier; an account's balance."""


def _delete(path: Path, rnd: random.Random) -> None:
    for end in ("", "-wal", "-shm"):
        Path(f"{path}{end}").unlink(missing_ok=True)


def _truncate(path: Path, rnd: random.Random) -> None:
    written_back(path)
    os.truncate(path, path.stat().st_size * rnd.randrange(2, 9) // 10)


def _rubbish(path: Path, rnd: random.Random) -> None:
    written_back(path)
    with path.open("r+b") as file:
        file.seek(rnd.randrange(path.stat().st_size // 2))
        file.write(rnd.randbytes(20_000))


DAMAGES: dict[str, Callable[[Path, random.Random], None]] = {"deleted": _delete, "truncated": _truncate, "overwritten": _rubbish}


def store_lost(it: Play) -> None:
    """One after another, each while its stage is down: it refuses to start, and starts again once it is mended."""
    harms = [(stage, damage) for damage in DAMAGES for stage in ("profile", "loyalty")] if it.full else [("profile", "deleted")]
    first, *parts = it.parts(len(harms) + 1)
    it.send(first)
    it.answered()
    it.quiet()
    for (stage, damage), part in zip(harms, parts, strict=False):
        it.send(part)
        it.under_way(it.sender.left // 2)
        service = it.stack.services[stage]
        it.stack.end(stage, signal.SIGKILL)
        DAMAGES[damage](it.stack.folder / f"{stage}.sqlite", it.rnd)
        it.harm(f"{stage}'s store {damage}")
        said = _run(it, service, f"services.{stage}.app", code=STORE_LOST)
        it.must(f"rapport rebuild {stage}" in said, f"{stage} did not say what mends its store")
        _rapport(it, service, "rebuild", stage)
        it.stack.start(stage)
        if it.full:
            it.answers_again(stage)
            _rapport(it, service, "rebuild", stage, "--drop-old")
    it.answered()


def flipped_bit(it: Play) -> None:
    """The lowest bit of a number in a row, which no database can notice: `rapport verify` does, and the rebuild corrects what was said."""
    it.send(it.requests)
    it.answered()
    it.quiet()
    for stage, (table, place) in COUNT.items():
        with contextlib.closing(sqlite3.connect(it.stack.folder / f"{stage}.sqlite", timeout=30)) as db, db:
            key, value = db.execute(f"SELECT key, value FROM {table} WHERE length(value) > 60 ORDER BY key LIMIT 1").fetchone()
            row = msgspec.msgpack.decode(value)
            row[place] ^= 1
            db.execute(f"UPDATE {table} SET value = ? WHERE key = ?", (msgspec.msgpack.encode(row), key))
        it.harm(f"a bit of {stage}'s store flipped")
    service = it.stack.services["profile"]
    _rapport(it, service, "rebuild", "--drop-old")
    _rapport(it, service, "verify", "--no-tables", code=DIFFERENT)
    for stage in COUNT:
        _rapport(it, service, "rebuild", stage)
        _rapport(it, service, "rebuild", stage, "--drop-old")
    it.quiet()
    _rapport(it, service, "verify")


def _rapport(it: Play, service: Service, *words: str, code: int = 0) -> str:
    """A person's command, in the environment of that service."""
    return _run(it, service, "services.cli", *words, code=code)


def _run(it: Play, service: Service, *module: str, code: int) -> str:
    """What it said; it must leave with that code."""
    command = [sys.executable, "-m", *module]
    try:
        done = subprocess.run(
            command, env=service.environment, capture_output=True, timeout=it.times(COMMAND_SECONDS, LONG_COMMAND_SECONDS), check=False
        )
    except subprocess.TimeoutExpired:
        it.must(False, f"{' '.join(module)} did not end")
        return ""
    said = (done.stdout + done.stderr).decode("utf-8", "replace")
    it.must(done.returncode == code, f"{' '.join(module)} left with {done.returncode} instead of {code}: {said[-400:]}")
    return said


SCENARIOS = (
    Scenario(
        "store-lost", 17, "the stores of profile and loyalty are deleted, truncated, overwritten", store_lost, short=True, store=SQLITE
    ),
    Scenario("flipped-bit", 17, "one bit of a stage's store is another", flipped_bit, store=SQLITE),
)
