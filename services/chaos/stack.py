"""A private Rapport for the bench: real Kafka and ClickHouse behind proxies, every service a process of its own."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from schemas import topics
from services.chaos.memory import resident_mb
from services.chaos.own_database import own_database, place_of, through
from services.chaos.proxy import Proxy, running_proxy
from services.chaos.sender import SOURCE
from services.chaos.waiting import wait_for
from services.embedded.clickhouse import server_answers, server_command
from services.embedded.kafka import KafkaFiles, prepare
from services.embedded.kafka_readiness import broker_answers
from services.embedded.processes import LOOPBACK, free_port, launch, stop
from services.ingest.write_keys import write_keys_of
from services.loyalty.redeem_keys import redeem_keys_of
from services.runtime import http_requests
from services.runtime.kafka import KafkaConnection, TopicSpec, ensure_topics
from services.runtime.store_snapshot import StoreSnapshot, snapshot_of, snapshot_of_schema

SERVICES = ("ingest", "profile", "loyalty", "projections")
STAGES = SERVICES[1:]
PROGRAMME = Path(__file__).with_name("programme.yaml")
WATCH_SECONDS = 0.05
SESSION_SECONDS = "2"
"""Shorter than a real one, so that dead workers are noticed, and live ones taken for dead, more often."""
CUSTOMERS_IN_MEMORY, STORE_IN_MEMORY_MB = "2000", "16"
"""So little that customers come and go in memory, and that growth until it is full is not taken for one without end."""


@dataclass
class Service:
    """One process of a service. ``door``: where loyalty takes redemptions. ``wanted``: the watch starts it again when it ends. ``former``:
    as the release before has it."""

    name: str
    slot: str
    port: int
    door: int
    process: subprocess.Popen[bytes]
    environment: dict[str, str]
    wanted: bool = True
    restarts: int = 0
    former: bool = False


@dataclass
class Stack:
    """Where everything is. ``services`` by slot: the service's name, or another for a second process of it. ``store_url``: the stages'
    database in PostgreSQL, to which services come by ``store_proxy``; without, their stores are files in the folder."""

    folder: Path
    kafka_port: int
    clickhouse_port: int
    clickhouse_http: int
    kafka_proxy: Proxy
    clickhouse_proxy: Proxy
    key: str = ""
    redeem_key: str = ""
    store_url: str = ""
    store_proxy: Proxy | None = None
    services: dict[str, Service] = field(default_factory=dict)
    backends: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def bootstrap(self) -> str:
        return f"{LOOPBACK}:{self.kafka_proxy.port}"

    def log_of(self, slot: str) -> Path:
        return self.folder / "logs" / f"{slot}.log"

    # ---- services

    def start(self, name: str, slot: str | None = None, settings: Mapping[str, str] | None = None) -> Service:
        """Starts a process and keeps it up; does not wait until it answers."""
        slot, port, door = slot or name, free_port(), free_port()
        environment = os.environ | {
            "RAPPORT_DATA_DIR": str(self.folder),
            "RAPPORT_KAFKA_BOOTSTRAP": self.bootstrap,
            "RAPPORT_CLICKHOUSE_URL": f"clickhouse://default@{LOOPBACK}:{self.clickhouse_proxy.port}",
            **self._store(),
            "RAPPORT_LOYALTY_PROGRAMME": str(PROGRAMME),
            "RAPPORT_LOG_LEVEL": "info",
            "RAPPORT_STAGE_SESSION_SECONDS": SESSION_SECONDS,
            "RAPPORT_STAGE_CACHE": CUSTOMERS_IN_MEMORY,
            "RAPPORT_STORE_PAGE_CACHE_MB": STORE_IN_MEMORY_MB,
            "RAPPORT_LOYALTY_PORT": str(door),
            ("RAPPORT_INGEST_PORT" if name == "ingest" else "RAPPORT_STAGE_METRICS_PORT"): str(port),
            **(settings or {}),
        }
        with self._lock:
            service = Service(name, slot, port, door, self._launched(name, slot, environment, former=False), environment)
            self.services[slot] = service
        return service

    def _store(self) -> dict[str, str]:
        if self.store_proxy is None:
            return {}
        return {"RAPPORT_STORE_URL": through(self.store_url, LOOPBACK, self.store_proxy.port)}

    def store(self, stage: str) -> StoreSnapshot:
        """What it holds now, not through the proxy. Raises StoreMissing, and what the database raises."""
        return snapshot_of_schema(self.store_url, stage) if self.store_url else snapshot_of(self.folder / f"{stage}.sqlite")

    def start_all(self) -> None:
        """Every service that is not there yet, and waits until all answer."""
        for name in SERVICES:
            if name not in self.services:
                self.start(name)
        wait_for(self.healthy, "every service to answer", 60)

    def kill(self, slot: str, number: int = signal.SIGKILL) -> None:
        """Sends the signal; the watch starts the process again if it ends."""
        with self._lock:
            self.services[slot].process.send_signal(number)

    def end(self, slot: str, number: int = signal.SIGTERM, within: float = 20) -> int:
        """Ends a process for good; the exit code. subprocess.TimeoutExpired if it does not go."""
        with self._lock:
            service = self.services.pop(slot)
        service.process.send_signal(number)
        return service.process.wait(within)

    def reconfigure(self, slot: str, settings: Mapping[str, str]) -> None:
        """From its next start on. An empty text takes a setting away."""
        with self._lock:
            changed = self.services[slot].environment | dict(settings)
            self.services[slot].environment = {name: value for name, value in changed.items() if value or name not in settings}

    def exchange(self, slot: str, former: bool) -> None:
        """Asks the process to leave; the watch starts the other release of it in its place."""
        with self._lock:
            self.services[slot].former = former
            self.services[slot].process.terminate()

    def rapport(self, *arguments: str, within: float = 120) -> str:
        """What a person types. The output; AssertionError where the command failed (with 2 it says that something stays as it is)."""
        warehouse = {"RAPPORT_CLICKHOUSE_URL": f"clickhouse://analyst@{LOOPBACK}:{self.clickhouse_proxy.port}"}
        environment = next(iter(self.services.values())).environment | warehouse
        done = subprocess.run(
            [sys.executable, "-m", "services.cli", *arguments], env=environment, capture_output=True, text=True, timeout=within, check=False
        )
        assert done.returncode in (0, 2), f"rapport {' '.join(arguments[:2])}: {done.stdout} {done.stderr}"
        return done.stdout

    def resident_mb(self, slot: str) -> int:
        """Memory of a process; 0 while there is none."""
        return resident_mb(self.services[slot].process.pid)

    def pids(self) -> dict[str, int]:
        """Of all processes, services first."""
        with self._lock:
            services = {slot: service.process.pid for slot, service in self.services.items()}
        return services | {name: process.pid for name, process in self.backends.items()}

    def restarts(self) -> int:
        return sum(service.restarts for service in self.services.values())

    def healthy(self) -> bool | str:
        """True, or who is not."""
        return next((found for slot in list(self.services) if (found := self.answers(slot)) is not True), True)

    def answers(self, slot: str) -> bool | str:
        """Whether that process says that it is well; or what it says instead."""
        service = self.services[slot]
        path = "readyz" if service.name == "ingest" else "healthz"
        try:
            reply = http_requests.get(f"http://{LOOPBACK}:{service.port}/{path}", 5.0)
        except OSError as error:
            return f"{slot}: {error!r}"
        return True if reply.status == 200 else f"{slot}: {reply.status} {reply.body.decode(errors='replace')[:200]}"

    def shows(self, slot: str) -> str:
        """Its metrics; empty while it does not answer."""
        try:
            return http_requests.get(f"http://{LOOPBACK}:{self.services[slot].port}/metrics", 5.0).body.decode()
        except OSError:
            return ""

    def _launched(self, name: str, slot: str, environment: dict[str, str], former: bool) -> subprocess.Popen[bytes]:
        program = ["services.chaos.former", name] if former else [f"services.{name}.app"]
        return launch([sys.executable, "-m", *program], self.log_of(slot), environment)

    def watch(self, stopped: threading.Event) -> None:
        """What a supervisor does: starts again what ended."""
        while not stopped.wait(WATCH_SECONDS):
            with self._lock:
                for service in self.services.values():
                    if service.wanted and service.process.poll() is not None:
                        service.restarts += 1
                        service.process = self._launched(service.name, service.slot, service.environment, service.former)

    # ---- what they stand on

    def start_kafka(self) -> None:
        """On its old port and directory; clients are told to come through the proxy."""
        folder = self.folder / "kafka"
        command = prepare(folder, self.kafka_port)
        properties = KafkaFiles(folder.absolute()).properties
        told = f"advertised.listeners=PLAINTEXT://{LOOPBACK}:"
        text = properties.read_text(encoding="utf-8").replace(f"{told}{self.kafka_port}", f"{told}{self.kafka_proxy.port}")
        properties.write_text(text, encoding="utf-8")
        self.backends["kafka"] = launch(command, self.log_of("kafka"))
        wait_for(lambda: broker_answers(self.kafka_port), "Kafka", 60)

    def start_clickhouse(self) -> None:
        command = server_command(self.folder / "clickhouse", self.clickhouse_port, self.clickhouse_http)
        self.backends["clickhouse"] = launch(command, self.log_of("clickhouse"))
        wait_for(lambda: server_answers(self.clickhouse_port, self.clickhouse_http), "ClickHouse", 60)

    def kill_backend(self, name: str) -> None:
        process = self.backends.pop(name)
        process.kill()
        process.wait()

    def close(self) -> None:
        """Everything, services first."""
        for service in self.services.values():
            service.process.send_signal(signal.SIGCONT)
            service.process.terminate()
        for service in self.services.values():
            stop(service.process)
        self.services.clear()
        for process in self.backends.values():
            stop(process)


@contextlib.contextmanager
def running_stack(folder: Path | None = None, store_url: str = "") -> Iterator[Stack]:
    """All of it, up and healthy, in a temporary folder unless one is given; in that PostgreSQL it makes a database of its own. All
    is gone on leaving."""
    with contextlib.ExitStack() as stack:
        home = folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rapport-chaos-")))
        kafka, clickhouse, http = free_port(), free_port(), free_port()
        to_kafka, to_clickhouse = (stack.enter_context(running_proxy(free_port(), target)) for target in (kafka, clickhouse))
        made = Stack(home, kafka, clickhouse, http, to_kafka, to_clickhouse)
        if store_url:
            made.store_url = stack.enter_context(own_database(store_url))
            made.store_proxy = stack.enter_context(running_proxy(free_port(), place_of(made.store_url)))
        stopped = threading.Event()
        watching = threading.Thread(target=made.watch, args=(stopped,), daemon=True)
        try:
            made.start_kafka()
            made.start_clickhouse()
            specs = [TopicSpec(topic.name, topic.partitions, 1, topic.config()) for topic in topics.TOPICS]
            asyncio.run(ensure_topics(KafkaConnection(made.bootstrap), specs))
            made.key, made.redeem_key = write_keys_of(home).create(SOURCE), redeem_keys_of(home).create(SOURCE)
            watching.start()
            made.start_all()
            yield made
        finally:
            stopped.set()
            watching.join()
            made.close()
