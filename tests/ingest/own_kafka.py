"""A Kafka of one test's own, which can be stopped, paused, killed and started again on the same port and data."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services.embedded.kafka import KafkaFiles, prepare
from services.embedded.kafka_readiness import broker_answers
from services.embedded.processes import LOOPBACK, launch, wait_until_ready


class OwnKafka:
    """``advertised``: the port that clients are told, where something stands between them and the broker."""

    def __init__(self, data_dir: Path, port: int, advertised: int | None = None) -> None:
        self.bootstrap = f"{LOOPBACK}:{advertised or port}"
        self._data_dir, self._port, self._advertised = data_dir, port, advertised
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        files = KafkaFiles(self._data_dir.absolute())
        command = prepare(self._data_dir, self._port)
        if self._advertised:
            text = files.properties.read_text()
            told = f"advertised.listeners=PLAINTEXT://{LOOPBACK}:"
            assert f"{told}{self._port}" in text
            files.properties.write_text(text.replace(f"{told}{self._port}", f"{told}{self._advertised}"))
        self._process = launch(command, files.output)
        wait_until_ready(self._process, lambda: broker_answers(self._port), "Kafka", files.log_folder / "kafka.log")

    @contextmanager
    def paused(self) -> Iterator[None]:
        """SIGSTOP: connections stay open, and nothing answers."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self._process.pid, signal.SIGCONT)

    def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextmanager
def own_kafka(data_dir: Path, port: int, advertised: int | None = None) -> Iterator[OwnKafka]:
    kafka = OwnKafka(data_dir, port, advertised)
    try:
        yield kafka
    finally:
        kafka.kill()
