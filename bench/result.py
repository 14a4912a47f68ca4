"""All that one run of the bench measured, and under what circumstances. It is stored as JSON; the report is made of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from bench.latencies import Latency
from bench.machine import About
from bench.usage import Spent


@dataclass(frozen=True)
class Work:
    """``events`` in ``seconds``. ``spent``: the process that did it first, then those it used."""

    what: str
    events: int
    seconds: float
    spent: list[Spent]
    note: str = ""

    @property
    def per_second(self) -> int:
        return round(self.events / self.seconds)

    @property
    def per_core(self) -> int:
        """Events for a second of the first process's own processor time."""
        return round(1e6 / self.spent[0].cpu_us)


@dataclass(frozen=True)
class Shared:
    """``events`` worked off by several workers of one stage over one store. ``spent``: all workers together first, then what they used.

    ``transactions``: how they ended (applied; overtaken: decided again at once; stale: read again). ``decided``: messages that were decided
    on, each time. ``waits``: what a session of PostgreSQL in a transaction was seen doing, as shares. ``holders``: who holds which
    identifier, in short. The figures count only where ``wrong``, what is lost or doubled, is empty.
    """

    store: str
    workers: int
    events: int
    seconds: float
    spent: list[Spent]
    transactions: dict[str, int]
    decided: int
    waits: dict[str, float]
    holders: str
    wrong: list[str]

    @property
    def per_second(self) -> int:
        return round(self.events / self.seconds)

    @property
    def for_nothing(self) -> float:
        """Share of all decisions on messages that were thrown away."""
        return 1 - self.events / self.decided

    @property
    def cpu_us(self) -> dict[str, float]:
        """Processor microseconds an event, by who spent them."""
        return {one.process: one.cpu_us for one in self.spent}


@dataclass(frozen=True)
class Answered:
    """A question to ClickHouse, asked so many ``times``. ``ms``: percentile → milliseconds, as a Latency's; ``cpu_ms``: of ClickHouse's
    processor time, the mean."""

    what: str
    times: int
    ms: dict[str, float]
    cpu_ms: float


RUNTIME = "rapport-runtime"
"""The peer that is Rapport's runtime, doing the simple job alone."""


@dataclass(frozen=True)
class PeerWork:
    """One peer (or Rapport) on the simple job, once. ``visible_every_ms``: how far apart its output became visible to readers of
    committed records. Its work counts only where ``wrong``, what its output is found to differ in, is empty."""

    peer: str
    events: int
    seconds: float
    spent: list[Spent]
    visible_every_ms: int
    wrong: str = ""


@dataclass(frozen=True)
class AboutPeer:
    """What a peer promises, in its own words. ``exactly_once``: also in what it publishes; ``missing``: why it could not run."""

    name: str
    title: str
    version: str
    guarantee: str
    state: str
    missing: str = ""


@dataclass(frozen=True)
class Kept:
    """For one touchpoint: messages, where it is a topic, and bytes of one copy."""

    messages: float
    bytes: int


@dataclass
class Result:
    """Empty where a part was not asked for. ``kept``: once the stages are through, by what keeps it. ``peers_about``: the run that the
    peers are of, where it was another."""

    about: About
    traffic: str = ""
    stages: list[Work] = field(default_factory=list)
    kept: dict[str, Kept] = field(default_factory=dict)
    rebuilds: list[Work] = field(default_factory=list)
    shared_job: str = ""
    shared: list[Shared] = field(default_factory=list)
    ingest: list[Work] = field(default_factory=list)
    end_to_end: list[Work] = field(default_factory=list)
    latencies: list[Latency] = field(default_factory=list)
    asked_of: str = ""
    answers: list[Answered] = field(default_factory=list)
    simple_job: str = ""
    peers: list[AboutPeer] = field(default_factory=list)
    peer_work: list[PeerWork] = field(default_factory=list)
    peers_about: About | None = None


def with_peers_of(result: Result, other: Result) -> Result:
    """The peers of another run beside all else of this one."""
    return replace(result, simple_job=other.simple_job, peers=other.peers, peer_work=other.peer_work, peers_about=other.about)


def stored(result: Result) -> bytes:
    return msgspec.json.format(msgspec.json.encode(result), indent=1) + b"\n"


def read(file: Path) -> Result:
    return msgspec.json.decode(file.read_bytes(), type=Result)


def work_of(runs: Sequence[PeerWork], peer: str) -> list[PeerWork]:
    """A peer's runs that count, the slowest first."""
    return sorted((run for run in runs if run.peer == peer and not run.wrong), key=lambda run: run.events / run.seconds)
