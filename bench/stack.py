"""A private stack for measuring: real Kafka and ClickHouse in a temporary folder, and Rapport's services as processes of their own."""

import asyncio
import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from clickhouse_driver import Client

from schemas import topics
from services.embedded.clickhouse import running_clickhouse
from services.embedded.kafka import running_kafka
from services.embedded.processes import free_port
from services.ingest.write_keys import write_keys_of
from services.runtime import http_requests
from services.runtime.kafka import KafkaConnection, TopicSpec, ensure_topics

WITHIN = 600.0
WHILE_MEASURING = 0.25
ENDS_WITHIN = 30.0


@dataclass
class Service:
    """One running service and the port of its metrics."""

    name: str
    process: psutil.Popen
    port: int

    def metric(self, name: str, **labels: str) -> float:
        """The sum of all samples of that name with these labels; 0 while it cannot be read."""
        return sum(self.samples(name, **labels))

    def samples(self, name: str, **labels: str) -> list[float]:
        """All of that name with these labels; none while it cannot be read."""
        try:
            text = http_requests.get(f"http://127.0.0.1:{self.port}/metrics", 5.0).body.decode()
        except (OSError, http_requests.Unreachable):
            return []
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        lines = (line for line in text.splitlines() if line.partition("{")[0].partition(" ")[0] == name)
        return [float(line.rpartition(" ")[2]) for line in lines if all(label in line for label in wanted)]


@dataclass
class Stack:
    """Where everything is. ``services`` are those started so far."""

    folder: Path
    bootstrap: str
    clickhouse_port: int
    backends: dict[str, psutil.Process]
    key: str
    services: dict[str, Service] = field(default_factory=dict)

    def client(self) -> Client:
        """A ClickHouse connection of the caller's own."""
        return Client("127.0.0.1", port=self.clickhouse_port)

    def environment(self) -> dict[str, str]:
        """For a process that is to work with this stack."""
        return os.environ | {
            "RAPPORT_DATA_DIR": str(self.folder),
            "RAPPORT_KAFKA_BOOTSTRAP": self.bootstrap,
            "RAPPORT_CLICKHOUSE_URL": f"clickhouse://default@127.0.0.1:{self.clickhouse_port}",
            "RAPPORT_LOG_LEVEL": "warning",
        }

    def start(self, name: str, slot: str = "", **settings: str) -> Service:
        """Starts a service, with these environment variables besides, and waits until it answers. ``slot``: a name for a further one."""
        slot = slot or name
        port = free_port()
        environment = self.environment() | {
            "RAPPORT_LOYALTY_PORT": "0",
            ("RAPPORT_INGEST_PORT" if name == "ingest" else "RAPPORT_STAGE_METRICS_PORT"): str(port),
            **settings,
        }
        log = (self.folder / f"{slot}.log").open("ab")
        process = psutil.Popen([sys.executable, "-m", f"services.{name}.app"], env=environment, stdout=log, stderr=log)
        service = self.services[slot] = Service(slot, process, port)
        wait_for(lambda: _answers(service), f"{slot} to answer", 60)
        return service

    def rows_inserted(self) -> int:
        """Into all tables of ClickHouse since it started."""
        found = self.client().execute("SELECT value FROM system.events WHERE event = 'InsertedRows'")
        return int(found[0][0]) if found else 0

    def disk(self) -> dict[str, int]:
        """Bytes, by what holds them: each topic of Kafka, each stage's store that is a file, ClickHouse's tables."""
        kept = {topic.name: _bytes(self.folder.glob(f"kafka/**/{topic.name}-[0-9]*/*.log")) for topic in topics.TOPICS}
        kept |= {f"{name}'s store": _bytes(self.folder.glob(f"{name}.sqlite*")) for name in ("profile", "loyalty")}
        ((tables,),) = self.client().execute("SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND database = 'rapport_store'")
        return kept | {"ClickHouse": int(tables or 0)}

    def stop(self, *names: str) -> None:
        """Stops these services, or all; one that does not end by itself in time is ended."""
        for name in names or tuple(self.services):
            end(self.services.pop(name).process)


@contextlib.contextmanager
def running_stack() -> Iterator[Stack]:
    """Kafka, ClickHouse, topics and a write key; no service yet. All is gone on leaving."""
    with tempfile.TemporaryDirectory(prefix="rapport-bench-") as name:
        folder = Path(name)
        before = set(psutil.Process().children())
        with running_kafka(folder / "kafka") as bootstrap:
            kafka = next(iter(set(psutil.Process().children()) - before))
            with running_clickhouse(folder / "clickhouse") as server:
                specs = [TopicSpec(topic.name, topic.partitions, 1, topic.config()) for topic in topics.TOPICS]
                asyncio.run(ensure_topics(KafkaConnection(bootstrap), specs))
                backends = {"kafka": kafka, "clickhouse": psutil.Process(server.pid)}
                stack = Stack(folder, bootstrap, server.tcp_port, backends, write_keys_of(folder).create("bench"))
                try:
                    yield stack
                finally:
                    stack.stop()


def _bytes(files: Iterable[Path]) -> int:
    return sum(file.stat().st_size for file in files)


def end(process: psutil.Popen) -> None:
    """Asks the process to end, and ends it after a while. Returns when it is gone."""
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(ENDS_WITHIN)
    except psutil.TimeoutExpired:
        process.kill()
        process.wait()


def wait_for(condition: Callable[[], bool], what: str, within: float = WITHIN, every: float = 0.02) -> None:
    """Returns when the condition holds. TimeoutError names what did not happen.

    ``every``: seconds between two looks. While something is measured look rarely: fifty looks a second at a process's metrics
    took a seventh of its time.
    """
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {within:g} s for {what}")
        time.sleep(every)


def _answers(service: Service) -> bool:
    if service.process.poll() is not None:
        raise RuntimeError(f"{service.name} ended with {service.process.returncode}; see its log")
    path = "readyz" if service.name == "ingest" else "healthz"
    with contextlib.suppress(OSError, http_requests.Unreachable):
        return http_requests.get(f"http://127.0.0.1:{service.port}/{path}").status == 200
    return False
