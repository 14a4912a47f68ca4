"""A real Kafka 4.1.1 node in one data directory: fetched, formatted, started, stopped.

`python -m services.embedded.kafka --data-dir D --port P` becomes the broker's Java process (same process id), so
whoever started it can watch and stop it by that id.
"""

import argparse
import base64
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from services.embedded import directory_lock, kafka_settings
from services.embedded.data_home import data_home
from services.embedded.errors import ComponentFailed, EmbeddedStackError
from services.embedded.jar_list import present_jars, read_jar_list
from services.embedded.java_runtime import find_java
from services.embedded.kafka_readiness import broker_answers
from services.embedded.processes import LOOPBACK, free_port, launch, require_free_port, stop, wait_until_ready
from services.embedded.progress import OnProgress, silent

KAFKA_VERSION = "4.1.1"


@dataclass(frozen=True, slots=True)
class KafkaFiles:
    """Where a Kafka node keeps its things, below the stack's data directory."""

    data_dir: Path

    @property
    def log_dir(self) -> Path:
        return self.data_dir / "kafka" / "log"

    @property
    def properties(self) -> Path:
        return self.data_dir / "kafka" / "server.properties"

    @property
    def logging(self) -> Path:
        return self.data_dir / "kafka" / "log4j2.xml"

    @property
    def log_folder(self) -> Path:
        return self.data_dir / "logs"

    @property
    def log(self) -> Path:
        return self.log_folder / "kafka.log"

    @property
    def lock(self) -> Path:
        return self.data_dir / "kafka.lock"

    @property
    def output(self) -> Path:
        """What the Java process prints; Kafka's own log is beside it."""
        return self.log_folder / "kafka.out"


def jar_folder() -> Path:
    """Shared by all data directories of a user."""
    return data_home() / "rapport" / "kafka" / KAFKA_VERSION


def fetch_kafka(on_progress: OnProgress = silent) -> list[Path]:
    """Kafka's jars, fetched if they are not here yet (44 MB, once). Raises DownloadFailed or ChecksumMismatch."""
    jars, folder = read_jar_list(), jar_folder()
    present = present_jars(jars, folder)
    if present is not None:
        return present
    # Importing the downloader takes half a second, which every start but the first can do without.
    from services.embedded import jar_download

    repositories, local = jar_download.configured_repositories(), jar_download.local_repository()
    return jar_download.fetch_jars(jars, folder, repositories, on_progress, local)


def prepare(data_dir: Path, port: int, on_progress: OnProgress = silent) -> list[str]:
    """Fetches Kafka, writes its configuration, formats a new directory; returns the broker's command line."""
    jars = fetch_kafka(on_progress)
    files = KafkaFiles(data_dir.absolute())
    files.log_folder.mkdir(parents=True, exist_ok=True)
    files.log_dir.mkdir(parents=True, exist_ok=True)
    files.logging.write_text(kafka_settings.log4j2_xml(files.log_folder), encoding="utf-8")
    properties = kafka_settings.server_properties(files.log_dir, port, free_port())
    files.properties.write_text(properties, encoding="utf-8")
    java = find_java().path
    if not (files.log_dir / "meta.properties").exists():
        _format(java, jars, files)
    return kafka_settings.java_command(java, jars, files.logging, "kafka.Kafka", str(files.properties))


def _format(java: Path, jars: list[Path], files: KafkaFiles) -> None:
    cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    arguments = ("format", "--standalone", f"--cluster-id={cluster}", "--config", str(files.properties))  # an id may begin with a dash
    command = kafka_settings.java_command(java, jars, files.logging, "kafka.tools.StorageTool", *arguments)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ComponentFailed(f"Kafka's directory {files.log_dir} could not be formatted:\n{done.stdout}{done.stderr}")


@contextmanager
def running_kafka(data_dir: Path, port: int | None = None) -> Iterator[str]:
    """Runs a broker in `data_dir` (on a free port unless one is given) and yields its address `host:port`."""
    chosen = port or free_port()
    files = KafkaFiles(data_dir.absolute())
    with directory_lock.hold(files.lock, f"The Kafka directory {data_dir}"):
        process = launch(prepare(data_dir, chosen), files.output)
        try:
            wait_until_ready(process, lambda: broker_answers(chosen), "Kafka", files.log)
            yield f"{LOOPBACK}:{chosen}"
        finally:
            stop(process)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m services.embedded.kafka", description=__doc__)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--port", type=int, default=9092)
    chosen = parser.parse_args(arguments)
    lock = KafkaFiles(chosen.data_dir.absolute()).lock
    try:
        with directory_lock.hold(lock, f"The Kafka directory {chosen.data_dir}", through_exec=True):
            require_free_port(chosen.port, "--port", "Kafka")
            command = prepare(chosen.data_dir, chosen.port)
            os.execv(command[0], command)
    except EmbeddedStackError as failure:
        sys.exit(str(failure))


if __name__ == "__main__":
    main()
