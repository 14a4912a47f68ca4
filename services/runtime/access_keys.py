"""Access keys: who may use a door, and as which source. Only their SHA-256 is kept; a key is shown once, when made.

A key has 192 random bits, so a plain hash cannot be guessed back, and looking one up by its hash tells a stranger nothing.
"""

import fcntl
import hashlib
import hmac
import json
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from schemas import times

PREFIX = "rk_"
LOOK_AGAIN_SECONDS = 1.0
"""A key that another process makes or revokes counts here after this long."""


class UnknownKey(Exception):
    """Raised by ``revoke`` when no living key has the id or name; nothing changed."""


@dataclass(frozen=True, slots=True)
class AccessKey:
    """What is kept of a key. ``id`` is the beginning of its hash, to name it by; ``source`` is given to what it sends."""

    id: str
    name: str
    source: str
    created_at: str
    sha256: str
    revoked_at: str | None = None


class AccessKeys:
    """The keys of one door, in one JSON file that several processes may read and change."""

    def __init__(self, path: Path, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._path, self._monotonic = path, monotonic
        self._living: dict[str, AccessKey] = {}
        self._stamp: tuple[int, int, int] | None = None
        self._look_at = float("-inf")

    def create(self, name: str, source: str | None = None) -> str:
        """A new key, which is nowhere kept: show it now. ``source`` is the name unless given. ValueError: no such source."""
        key = PREFIX + secrets.token_urlsafe(24)
        digest = _digest(key)
        made = AccessKey(digest[:8], name, _checked_source(source or name), times.written(datetime.now(UTC)), digest)
        with self._changing() as keys:
            keys.append(made)
        return key

    def listed(self) -> list[AccessKey]:
        """All keys ever made, revoked ones too, oldest first."""
        return _read(self._path)

    def revoke(self, id_or_name: str) -> list[AccessKey]:
        """Ends every living key of that id or name and returns them. Raises UnknownKey."""
        now = times.written(datetime.now(UTC))
        with self._changing() as keys:
            ended = [key for key in keys if id_or_name in (key.id, key.name) and key.revoked_at is None]
            if not ended:
                raise UnknownKey(f"no living key is called {id_or_name!r}")
            keys[:] = [AccessKey(**{**asdict(key), "revoked_at": now}) if key in ended else key for key in keys]
        return ended

    def check(self, key: str) -> AccessKey | None:
        """The living key, or None. Cheap: the file is looked at once a second at most, and read only when it changed."""
        now = self._monotonic()
        if now >= self._look_at:
            self._look_at = now + LOOK_AGAIN_SECONDS
            self._refresh()
        digest = _digest(key)
        found = self._living.get(digest)
        return found if found is not None and hmac.compare_digest(found.sha256, digest) else None

    def _refresh(self) -> None:
        stamp = _stamp(self._path)
        if stamp != self._stamp:
            self._living = {key.sha256: key for key in _read(self._path) if key.revoked_at is None}
            self._stamp = stamp

    @contextmanager
    def _changing(self) -> Iterator[list[AccessKey]]:
        """The keys, to be changed in place; written whole and at once, one process at a time."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with (self._path.parent / f".{self._path.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            keys = _read(self._path)
            yield keys
            _write(self._path, keys)
        self._look_at = float("-inf")


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def _checked_source(source: str) -> str:
    if not source.strip() or len(source) > 100 or "\0" in source:
        raise ValueError(f"a source has 1 to 100 characters, such as shop-berlin; not {source[:100]!r}")
    return source


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size


def _read(path: Path) -> list[AccessKey]:
    try:
        return [AccessKey(**entry) for entry in json.loads(path.read_bytes())["keys"]]
    except FileNotFoundError:
        return []


def _write(path: Path, keys: list[AccessKey]) -> None:
    """Readers see the old file or the new one, never half of it; only its owner may read it."""
    fresh = path.with_name(f".{path.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump({"keys": [asdict(key) for key in keys]}, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
