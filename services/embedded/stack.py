"""Kafka and ClickHouse for one data directory: what to prepare, and which processes a supervisor has to keep running."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from services.embedded import clickhouse, directory_lock, kafka
from services.embedded.kafka_readiness import broker_answers
from services.embedded.processes import LOOPBACK, require_free_port
from services.embedded.progress import OnProgress, silent


@dataclass(frozen=True, slots=True)
class Component:
    """A process of the stack. Its program runs until SIGTERM; what it was told to keep survives SIGKILL."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    """The whole environment, not additions."""
    log_path: Path
    ready: Callable[[], bool]
    """Whether it serves requests now. Answers within about a second, never raises."""
    what_it_is: str


@contextmanager
def lock(data_dir: Path) -> Iterator[None]:
    """One stack for one data directory: raises DirectoryInUse, naming the process that has it."""
    with directory_lock.hold(data_dir / "rapport.lock", f"The data directory {data_dir}"):
        yield


@dataclass(frozen=True, slots=True)
class EmbeddedStack:
    """`lock` the directory, `check_ports`, `prepare`, then start the `components` in their order."""

    data_dir: Path
    kafka_port: int = 9092
    clickhouse_port: int = 9000
    clickhouse_http_port: int = 8123

    @property
    def kafka_address(self) -> str:
        return f"{LOOPBACK}:{self.kafka_port}"

    @property
    def clickhouse_address(self) -> str:
        return f"{LOOPBACK}:{self.clickhouse_port}"

    def check_ports(self) -> None:
        """Raises PortTaken, naming the port and the flag that moves it. Only sensible while nothing is started."""
        require_free_port(self.kafka_port, "--kafka-port", "Kafka")
        require_free_port(self.clickhouse_port, "--clickhouse-port", "ClickHouse (native)")
        require_free_port(self.clickhouse_http_port, "--clickhouse-http-port", "ClickHouse (HTTP)")

    def prepare(self, on_progress: OnProgress = silent) -> None:
        """Fetches Kafka (44 MB, once for all data directories) and formats a new directory; quick when both are done.

        Raises DownloadFailed, ChecksumMismatch, JavaMissing or ComponentFailed.
        """
        kafka.prepare(self.data_dir, self.kafka_port, on_progress)

    def components(self) -> list[Component]:
        return [self._kafka(), self._clickhouse()]

    def _kafka(self) -> Component:
        data_dir, port = self.data_dir.absolute(), self.kafka_port
        command = [sys.executable, "-m", "services.embedded.kafka", "--data-dir", str(data_dir), "--port", str(port)]
        return Component(
            name="kafka",
            argv=tuple(command),
            env=dict(os.environ),
            log_path=kafka.KafkaFiles(data_dir).output,
            ready=lambda: broker_answers(port),
            what_it_is=f"Apache Kafka {kafka.KAFKA_VERSION}, one node",
        )

    def _clickhouse(self) -> Component:
        data_dir, tcp, http = self.data_dir.absolute(), self.clickhouse_port, self.clickhouse_http_port
        return Component(
            name="clickhouse",
            argv=tuple(clickhouse.server_command(data_dir, tcp, http)),
            env=dict(os.environ),
            log_path=data_dir / "logs" / "clickhouse.log",
            ready=lambda: clickhouse.server_answers(tcp, http),
            what_it_is="ClickHouse 26.9, embedded engine",
        )
