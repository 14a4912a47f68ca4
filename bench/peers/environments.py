"""What a peer needs to run, made on demand in the user's cache folder: a virtual environment, or jars and a compiled class."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from platformdirs import user_cache_path

from services.embedded.errors import EmbeddedStackError
from services.embedded.jar_list import read_jar_list
from services.embedded.java_runtime import find_java
from services.embedded.kafka import fetch_kafka

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
KAFKA_STREAMS_JARS = HERE / "kafka_streams_jars.txt"
JAVA_SOURCE = HERE / "KafkaStreamsPeer.java"
LOGGING = HERE / "log4j2.xml"


class CannotPrepare(Exception):
    """A peer's packages cannot be had here, with what the installer said. The others run without it."""


def cache() -> Path:
    return user_cache_path("rapport") / "bench"


def requirements_of(name: str) -> Path:
    return HERE / f"requirements-{name.replace('_', '-')}.txt"


def python_of(name: str) -> Path:
    """The Python of the environment with exactly what requirements-NAME.txt lists. Raises CannotPrepare."""
    requirements = requirements_of(name)
    folder = cache() / name
    python, stamp = folder / "bin" / "python", folder / "installed"
    wanted = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()
    if python.exists() and stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return python
    uv = [sys.executable, "-m", "uv", "--quiet"]
    _install([*uv, "venv", "--clear", "--python", sys.executable, str(folder)])
    _install([*uv, "pip", "sync", "--require-hashes", "--python", str(python), str(requirements)])
    stamp.write_text(wanted, encoding="utf-8")
    return python


def java_command() -> list[str]:
    """Starts the Kafka Streams peer: its jars are fetched and checked, and its source is compiled by Eclipse's compiler, which needs
    no JDK. Raises CannotPrepare."""
    try:
        java, kafka = find_java().path, fetch_kafka()
        # Importing the downloader takes half a second.
        from services.embedded import jar_download

        repositories, local = jar_download.configured_repositories(), jar_download.local_repository()
        streams = jar_download.fetch_jars(read_jar_list(KAFKA_STREAMS_JARS), cache() / "kafka_streams", repositories, local=local)
    except EmbeddedStackError as failure:
        raise CannotPrepare(str(failure)) from failure
    (compiler,) = (jar for jar in streams if jar.name.startswith("ecj-"))
    class_path = ":".join(str(jar) for jar in (*streams, *kafka) if jar != compiler)
    classes = cache() / "kafka_streams" / f"classes-{hashlib.sha256(JAVA_SOURCE.read_bytes()).hexdigest()[:16]}"
    if not classes.exists():
        making = classes.with_suffix(".making")
        shutil.rmtree(making, ignore_errors=True)
        _install([str(java), "-jar", str(compiler), "-17", "-nowarn", "-proc:none", "-cp", class_path, "-d", str(making), str(JAVA_SOURCE)])
        making.rename(classes)
    return [str(java), f"-Dlog4j2.configurationFile={LOGGING}", "-cp", f"{classes}:{class_path}", JAVA_SOURCE.stem]


def _install(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CannotPrepare("\n".join((done.stderr or done.stdout).strip().splitlines()[-5:]))
