"""The committed list of files that make up Kafka: `group:artifact:version sha256 bytes`, one a line."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

KAFKA_JARS = Path(__file__).with_name("kafka_jars.txt")


@dataclass(frozen=True, slots=True)
class Jar:
    group: str
    artifact: str
    version: str
    sha256: str
    size: int

    @property
    def file_name(self) -> str:
        return f"{self.artifact}-{self.version}.jar"

    @property
    def repository_path(self) -> str:
        """Where every Maven repository keeps this file, relative to its root."""
        return f"{self.group.replace('.', '/')}/{self.artifact}/{self.version}/{self.file_name}"


def read_jar_list(path: Path = KAFKA_JARS) -> tuple[Jar, ...]:
    return tuple(_jar(line) for line in path.read_text(encoding="utf-8").splitlines() if line)


def _jar(line: str) -> Jar:
    coordinate, sha256, size = line.split()
    group, artifact, version = coordinate.split(":")
    return Jar(group, artifact, version, sha256, int(size))


def present_jars(jars: Sequence[Jar], folder: Path) -> list[Path] | None:
    """The files in `folder`, in the list's order, if all are there and have the right sums (44 MB in 40 ms)."""
    paths = [folder / jar.file_name for jar in jars]
    return paths if all(is_here(jar, path) for jar, path in zip(jars, paths, strict=True)) else None


def is_here(jar: Jar, path: Path) -> bool:
    return path.is_file() and path.stat().st_size == jar.size and sha256_of(path) == jar.sha256


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
