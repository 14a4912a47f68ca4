"""The peers: what each promises, how it is started, and which version it is."""

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass

from bench.peers.environments import HERE, KAFKA_STREAMS_JARS, java_command, python_of, requirements_of
from bench.result import RUNTIME
from services.cli.version import version
from services.embedded.jar_list import read_jar_list

EXACTLY_ONCE_IN_STATE = "exactly once in its state; a crash may repeat messages under the id they had"
FLUSHED_SQLITE = "SQLite flushed to disk (`synchronous=FULL`), one transaction with its positions"


@dataclass(frozen=True)
class Peer:
    """``prepare`` returns the command that BOOTSTRAP INPUT OUTPUT FOLDER and ``arguments`` are appended to; it may raise CannotPrepare.

    ``transactional``: its output is published in transactions. ``share`` of the touchpoints it is given, since some are far slower.
    ``key_of``: customer → the key of its messages.
    """

    name: str
    title: str
    version: Callable[[], str]
    guarantee: str
    state: str
    prepare: Callable[[], list[str]]
    arguments: tuple[str, ...] = ()
    transactional: bool = False
    share: float = 1.0
    key_of: Callable[[str], str] = str


def _script(environment: str, file: str) -> Callable[[], list[str]]:
    return lambda: [str(python_of(environment)), str(HERE / file)]


def _locked(environment: str, package: str) -> Callable[[], str]:
    return lambda: found[1] if (found := re.search(rf"^{package}==(\S+)", requirements_of(environment).read_text(), re.M)) else "?"


def _streams_version() -> str:
    return next(jar.version for jar in read_jar_list(KAFKA_STREAMS_JARS) if jar.artifact == "kafka-streams")


def _key_of_originator(customer: str) -> str:
    # Importing the stages' runtime takes a third of a second, and only a run needs it.
    from bench.peers.rapport_stage import originator_of

    return str(originator_of(customer))


_ROCKSDB = "RocksDB and changelog topics"

PEERS = (
    Peer(
        RUNTIME,
        "Rapport's runtime, this job alone",
        version,
        EXACTLY_ONCE_IN_STATE,
        FLUSHED_SQLITE,
        lambda: [sys.executable, "-m", "bench.peers.rapport_stage"],
        key_of=_key_of_originator,
    ),
    Peer(
        "kafka-streams-exactly-once",
        "Kafka Streams (Java), exactly once",
        _streams_version,
        "exactly once (`exactly_once_v2`), output in transactions",
        f"{_ROCKSDB}, with record cache",
        java_command,
        ("exactly_once_v2",),
        transactional=True,
    ),
    Peer(
        "kafka-streams-at-least-once",
        "Kafka Streams (Java), at least once",
        _streams_version,
        "at least once",
        f"{_ROCKSDB}, with record cache",
        java_command,
        ("at_least_once",),
    ),
    Peer(
        "quix-exactly-once",
        "Quix Streams, exactly once",
        _locked("quix_streams", "quixstreams"),
        "exactly once, output in transactions",
        _ROCKSDB,
        _script("quix_streams", "quix_streams.py"),
        ("exactly-once",),
        transactional=True,
    ),
    Peer(
        "quix-at-least-once",
        "Quix Streams, at least once",
        _locked("quix_streams", "quixstreams"),
        "at least once",
        _ROCKSDB,
        _script("quix_streams", "quix_streams.py"),
        ("at-least-once",),
    ),
    Peer(
        "bytewax",
        "Bytewax with recovery",
        _locked("bytewax", "bytewax"),
        "at least once",
        "in memory, snapshots in SQLite every 10 s",
        _script("bytewax", "bytewax_flow.py"),
    ),
    Peer(
        "faust",
        "faust-streaming with tables",
        _locked("faust", "faust-streaming"),
        "at least once",
        _ROCKSDB,
        _script("faust", "faust_app.py"),
        share=0.1,
    ),
)


def named(names: list[str]) -> list[Peer]:
    """Those peers; all without a name. KeyError names one that there is not."""
    known = {peer.name: peer for peer in PEERS}
    return [known[name] for name in names] if names else list(PEERS)
