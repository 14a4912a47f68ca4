"""Rapport and its peers at the simple job, one after the other on one broker: timed, and checked against a plain fold."""

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import psutil

from bench.drain import messages_in
from bench.peers.catalogue import Peer
from bench.peers.environments import HERE, ROOT
from bench.peers.expected import Expected, difference
from bench.peers.simple_job import Profile
from bench.peers.visible import Seen, Stalled, follow, read_all
from bench.result import PeerWork
from bench.stack import Service, Stack, end, wait_for
from bench.usage import Spent, Watch
from schemas import topics
from services.runtime.kafka import KafkaConnection, TopicSpec, ensure_topics

RAPPORT = "rapport"
RAPPORT_WITH_LOYALTY = "rapport-with-loyalty"
QUIET_S = 12.0
"""A transactional writer that published nothing for so long is through: more than twice the longest commit interval."""
STALLED_S = 90.0


@dataclass(frozen=True)
class Job:
    """Touchpoints that wait in a topic, and what must come of them."""

    topic: str
    wanted: Expected


def make_topic(stack: Stack, name: str) -> None:
    partitions = topics.TOUCHPOINTS.partitions
    asyncio.run(ensure_topics(KafkaConnection(stack.bootstrap), [TopicSpec(name, partitions)]))


def run_peer(peer: Peer, command: Sequence[str], stack: Stack, job: Job) -> PeerWork:
    """Starts the peer, and stops it when all its output is there. The clock runs from the first record that it takes in."""
    make_topic(stack, peer.name)
    folder, log = stack.folder / peer.name, stack.folder / f"{peer.name}.log"
    folder.mkdir()
    with log.open("wb") as file:
        whole = [*command, stack.bootstrap, job.topic, peer.name, str(folder), *peer.arguments]
        process = psutil.Popen(whole, stdout=file, stderr=file, cwd=folder, env=os.environ | {"PYTHONPATH": f"{HERE}:{ROOT}"})
    try:
        _wait_until_begun(process, log)
        with Watch({peer.name: process, "kafka": stack.backends["kafka"]}) as watch:
            begun = time.perf_counter()
            seen = _follow(stack, peer.name, watch, process, _through(peer, job.wanted.published))
            spent = watch.spent(job.wanted.taken_in, seen.cpu)
    except Stalled as stalled:
        return PeerWork(peer.name, 0, 0.0, [], 0, f"{stalled}. Its log ends: {_tail(log)}")
    finally:
        end(process)
    wrong = check_peer(stack, peer, job.wanted)
    return PeerWork(peer.name, job.wanted.taken_in, seen.at - begun, spent, seen.every_ms, wrong)


def check_peer(stack: Stack, peer: Peer, wanted: Expected) -> str:
    """What is wrong with a peer's output; empty: nothing."""
    messages = asyncio.run(read_all(KafkaConnection(stack.bootstrap), peer.name))
    decode, customers = msgspec.json.Decoder().decode, {peer.key_of(customer): customer for customer in wanted.profiles}
    last = {key.decode(): decode(value)["profile"] for key, value in dict(messages).items()}
    return difference(wanted, len(messages), {customers.get(key, key): profile for key, profile in last.items()})


def run_rapport(stack: Stack, job: Job) -> list[PeerWork]:
    """The profile stage as it is, then the loyalty stage on what it published; the second figure is of both, one after the other."""
    published = topics.PROFILE_CHANGES.name
    profile = _run_stage(stack, "profile", job.wanted.taken_in, published)
    changes = messages_in(stack, published)
    loyalty = _run_stage(stack, "loyalty", changes, topics.LOYALTY_CHANGES.name, RAPPORT_LOYALTY_PROGRAMME=str(HERE / "programme.yaml"))
    wrong = _settled(lambda: check_rapport(stack, job.wanted))
    stack.stop("profile", "loyalty")
    each = changes / job.wanted.taken_in
    both = profile.seconds + loyalty.seconds / loyalty.events * each * profile.events
    return [replace(profile, wrong=wrong), PeerWork(RAPPORT_WITH_LOYALTY, profile.events, both, _added(profile, loyalty, each), 0, wrong)]


def check_rapport(stack: Stack, wanted: Expected) -> str:
    """What is wrong with the customers and accounts that Rapport published; empty: nothing."""
    connection = KafkaConnection(stack.bootstrap)
    customers, accounts = (
        {key: msgspec.json.decode(value) for key, value in asyncio.run(read_all(connection, topic.name))}
        for topic in (topics.PROFILES, topics.LOYALTY_ACCOUNTS)
    )
    profiles = {
        customer["identifiers"][0]["value"]: Profile(
            counts={kind: said["count"] for kind, said in customer["by_type"].items()},
            spend_minor={currency: said["gross_minor"] for currency, said in customer.get("spend", {}).items()},
            points=accounts.get(key, {}).get("earned", 0),
            last_seen=customer["last_seen_at"],
        )
        for key, customer in customers.items()
    }
    return difference(wanted, sum(sum(profile["counts"].values()) for profile in profiles.values()), profiles)


def _run_stage(stack: Stack, name: str, messages: int, target: str, **settings: str) -> PeerWork:
    """The stage in its own process until it took in so many messages and published what follows. It is left running."""
    service = stack.start(name, **settings)
    wait_for(lambda: service.metric("rapport_messages_total") > 0, f"{name} to begin")
    with Watch({name: service.process, "kafka": stack.backends["kafka"]}) as watch:
        begun, first = time.perf_counter(), service.metric("rapport_messages_total")
        through = _taken_in(service, messages)
        seen = _follow(stack, target, watch, service.process, through)
    counted = round(messages - first)
    return PeerWork(RAPPORT, counted, seen.at - begun, watch.spent(counted, seen.cpu), seen.every_ms)


def _taken_in(service: Service, messages: int) -> Callable[[Seen], bool]:
    """Whether the stage has taken in so many messages and published all, as of the look before: asked five times a second."""
    asked, done = 0.0, False

    def finished(_: Seen) -> bool:
        nonlocal asked, done
        if done:
            return True
        if time.perf_counter() - asked > 0.2:
            asked = time.perf_counter()
            done = service.metric("rapport_messages_total") >= messages and service.metric("rapport_unpublished_events") == 0
        return False

    return finished


def _through(peer: Peer, messages: int) -> Callable[[Seen], bool]:
    """Markers of transactions take offsets too: whether a transactional writer is through shows by its silence."""
    quiet = QUIET_S if peer.transactional else 0.0
    return lambda seen: seen.visible >= messages and time.perf_counter() - seen.at >= quiet


def _follow(stack: Stack, topic: str, watch: Watch, process: psutil.Popen, finished: Callable[[Seen], bool]) -> Seen:
    connection = KafkaConnection(stack.bootstrap)
    return asyncio.run(follow(connection, topic, watch, lambda: process.poll() is None, finished, STALLED_S))


def _added(profile: PeerWork, loyalty: PeerWork, each: float) -> list[Spent]:
    """Of both stages, for one touchpoint that becomes ``each`` messages for loyalty."""
    pairs = zip(profile.spent, loyalty.spent, strict=True)
    names = ("profile, loyalty", "kafka")
    return [
        Spent(name, round(one.cpu_us + other.cpu_us * each, 1), one.peak_mb + other.peak_mb if name != "kafka" else other.peak_mb)
        for name, (one, other) in zip(names, pairs, strict=True)
    ]


def _settled(check: Callable[[], str], within: float = 30.0) -> str:
    """What is wrong at last: snapshots follow their events by a second or more."""
    deadline = time.monotonic() + within
    while (wrong := check()) and time.monotonic() < deadline:
        time.sleep(0.5)
    return wrong


def _wait_until_begun(process: psutil.Popen, log: Path) -> None:
    deadline = time.monotonic() + STALLED_S
    while b"begun" not in log.read_bytes():
        if process.poll() is not None:
            raise Stalled(f"it ended with {process.returncode} before it began")
        if time.monotonic() > deadline:
            raise Stalled(f"it did not begin within {STALLED_S:g} s")
        time.sleep(0.005)


def _tail(log: Path) -> str:
    return " / ".join(log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-3:])
