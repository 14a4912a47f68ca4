"""What a run was measured on, and what of."""

import os
import platform
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil

from services.embedded.kafka import KAFKA_VERSION

ROOT = Path(__file__).parents[1]
PACKAGES = ("aiokafka", "chdb-core", "faust-streaming", "msgspec", "pydantic", "uvloop", "uvicorn")


@dataclass(frozen=True)
class About:
    """``load_before``, ``load_after``: runnable processes, the average of a minute; more than ``cores`` before the run means that
    others worked too. ``commit`` ends with a plus where files were changed since."""

    command: str
    began: str
    minutes: float
    commit: str
    processor: str
    cores: int
    memory_gb: int
    system: str
    versions: dict[str, str]
    load_before: float
    load_after: float


@dataclass(frozen=True)
class Begun:
    """A run that is going on."""

    at: datetime
    load: float

    def ended(self, command: str) -> About:
        """All that is to be said of it, now that it is over."""
        return About(
            command=command,
            began=self.at.strftime("%Y-%m-%d %H:%M UTC"),
            minutes=round((datetime.now(UTC) - self.at).total_seconds() / 60, 1),
            commit=_commit(),
            processor=_processor(),
            cores=psutil.cpu_count() or 1,
            memory_gb=round(psutil.virtual_memory().total / 2**30),
            system=f"{platform.system()} {platform.release().partition('-')[0]}",
            versions={"Python": sys.version.split()[0], "Kafka": KAFKA_VERSION, **{name: version(name) for name in PACKAGES}},
            load_before=self.load,
            load_after=load(),
        )


def begun() -> Begun:
    return Begun(datetime.now(UTC), load())


def load() -> float:
    return round(os.getloadavg()[0], 1)


def _commit() -> str:
    with suppress(OSError, subprocess.CalledProcessError):
        said = _git("rev-parse", "--short=10", "HEAD")
        return said + ("+" if _git("status", "--porcelain", "--untracked-files=no") else "")
    return "unknown"


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
