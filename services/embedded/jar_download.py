"""Fetches jars from Maven repositories: side by side, resumed where a download broke off, checked by SHA-256."""

import fcntl
import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import requests
from jgo.config import GlobalSettings
from jgo.maven import MavenContext
from jgo.util import http

from services.embedded.errors import ChecksumMismatch, DownloadFailed
from services.embedded.jar_list import Jar, is_here, sha256_of
from services.embedded.progress import OnProgress, silent

SIDE_BY_SIDE = 8
TRIES = 4
RETRY_AFTER_S = 0.4
CHUNK_BYTES = 64 * 1024
TIMEOUT_S = 30


def configured_repositories() -> tuple[str, ...]:
    """The Maven repositories to ask, best first: the user's jgo settings (a mirror, say), then jgo's default."""
    chosen = GlobalSettings.load().repositories
    return tuple(dict.fromkeys([*chosen.values(), *MavenContext().remote_repos.values()]))


def local_repository() -> Path:
    """Where Maven and jgo keep what they fetched before (`$M2_REPO`, else `~/.m2/repository`)."""
    return Path(MavenContext().repo_cache)


def fetch_jars(
    jars: Sequence[Jar],
    folder: Path,
    repositories: Sequence[str],
    on_progress: OnProgress = silent,
    local: Path | None = None,
) -> list[Path]:
    """Makes every jar present in `folder` with the right sum, and returns their paths in the list's order.

    Jars that are there already, or in the `local` Maven repository, are not fetched. A broken download is resumed: at
    once up to `TRIES` times, and by the next call. Two processes may call this on one folder: the second waits.
    Raises DownloadFailed or ChecksumMismatch.
    """
    folder.mkdir(parents=True, exist_ok=True)
    progress = _Progress(sum(jar.size for jar in jars), on_progress)
    with _only_one_at_a_time(folder), ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        return list(pool.map(lambda jar: _make_present(jar, folder, repositories, progress, local), jars))


class _Progress:
    """Adds up how far each jar has come."""

    def __init__(self, total: int, tell: OnProgress) -> None:
        self._total, self._tell, self._lock = total, tell, threading.Lock()
        self._have: dict[str, int] = {}

    def at(self, jar: Jar, have: int) -> None:
        with self._lock:
            self._have[jar.file_name] = have
            self._tell(sum(self._have.values()), self._total, jar.file_name)


@contextmanager
def _only_one_at_a_time(folder: Path) -> Iterator[None]:
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _make_present(jar: Jar, folder: Path, repositories: Sequence[str], progress: _Progress, local: Path | None) -> Path:
    target = folder / jar.file_name
    if is_here(jar, target):
        progress.at(jar, jar.size)
        return target
    earlier = local / jar.repository_path if local else None
    part = target.with_suffix(".part")
    if earlier is not None and is_here(jar, earlier):
        shutil.copyfile(earlier, part)
        progress.at(jar, jar.size)
    else:
        _fetch_from_any(jar, part, repositories, progress)
    part.replace(target)
    return target


def _fetch_from_any(jar: Jar, part: Path, repositories: Sequence[str], progress: _Progress) -> None:
    failures: list[str] = []
    for repository in repositories:
        url = f"{repository.rstrip('/')}/{jar.repository_path}"
        try:
            _fetch_resumed(jar, url, part, progress)
        except requests.RequestException as failure:
            failures.append(f"{url}: {failure}")
            continue
        _check(jar, part, url)
        return
    raise DownloadFailed(
        f"Could not fetch {jar.file_name}: {'; '.join(failures) or 'no repository is configured'}. "
        "What has arrived is kept: run the same command again to go on."
    )


def _fetch_resumed(jar: Jar, url: str, part: Path, progress: _Progress) -> None:
    for attempt in range(1, TRIES + 1):
        try:
            _fetch_the_rest(jar, url, part, progress)
            return
        except requests.HTTPError:
            raise
        except requests.RequestException:
            if attempt == TRIES:
                raise
            time.sleep(RETRY_AFTER_S * attempt)


def _fetch_the_rest(jar: Jar, url: str, part: Path, progress: _Progress) -> None:
    have = part.stat().st_size if part.exists() else 0
    if have >= jar.size:
        return
    headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={have}-"} if have else {})}
    with http.get(url, stream=True, timeout=TIMEOUT_S, headers=headers) as answer:
        answer.raise_for_status()
        resumed = answer.status_code == requests.codes.partial_content
        with part.open("ab" if resumed else "wb") as file:
            for chunk in answer.iter_content(CHUNK_BYTES):
                file.write(chunk)
                progress.at(jar, file.tell())
    if part.stat().st_size < jar.size:
        raise requests.ConnectionError(f"{url} ended early")


def _check(jar: Jar, part: Path, url: str) -> None:
    found = sha256_of(part)
    if found != jar.sha256:
        part.unlink()
        raise ChecksumMismatch(
            f"{url} is not the file it should be: its SHA-256 is {found}, expected {jar.sha256}. It was deleted. "
            "A proxy or mirror may have changed it; try again, or another network."
        )
