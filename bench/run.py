"""Measures what was asked for, part after part, each on private stacks of real engines in temporary folders."""

import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from bench import analysts, ingest_load
from bench.drain import drain, fill, messages_in
from bench.end_to_end import SERVICES, STAGES, paced, settled, sustained
from bench.latencies import Latency
from bench.machine import begun
from bench.peers.catalogue import EXACTLY_ONCE_IN_STATE, FLUSHED_SQLITE, Peer
from bench.peers.environments import CannotPrepare
from bench.peers.expected import expected
from bench.peers.running import RAPPORT, RAPPORT_WITH_LOYALTY, Job, make_topic, run_peer, run_rapport
from bench.rebuilding import rebuilt
from bench.result import AboutPeer, Answered, Kept, PeerWork, Result, Shared, Work
from bench.shared_store import RUNS, work_off
from bench.stack import running_stack
from bench.traffic import simple_touchpoints, touchpoints
from schemas import topics
from services.cli.version import version

PARTS = (*STAGES, "rebuild", "workers", "ingest", "end-to-end", "questions", "peers")
READS = {
    "profile": (topics.TOUCHPOINTS.name,),
    "loyalty": (topics.PROFILE_CHANGES.name,),
    "projections": tuple(topic.name for topic in topics.TOPICS if topic != topics.TOUCHPOINTS),
}
OURS = (
    AboutPeer(
        RAPPORT,
        "Rapport, profile stage",
        version(),
        EXACTLY_ONCE_IN_STATE,
        FLUSHED_SQLITE,
    ),
    AboutPeer(
        RAPPORT_WITH_LOYALTY,
        "Rapport, profile and loyalty",
        version(),
        "the same",
        "two stages, one after the other, each with its own store",
    ),
)


@dataclass(frozen=True)
class Sizes:
    """How much is measured. ``shared``: touchpoints that several workers share; ``seconds``: of each way to send to ingest, and of
    the fixed rhythm; ``paced``: touchpoints a second in it; ``asked``: touchpoints in ClickHouse, of which questions are asked;
    ``rounds``: how often each peer runs, each time on a new stack."""

    customers: int
    events: int
    shared: int
    sustained: int
    paced: int
    seconds: int
    asked: int
    rounds: int
    peer_events: int
    peer_customers: int


FULL = Sizes(100_000, 500_000, 200_000, 200_000, 2_000, 30, 10_000_000, rounds=3, peer_events=300_000, peer_customers=50_000)
QUICK = Sizes(10_000, 50_000, 80_000, 20_000, 1_000, 5, 1_000_000, rounds=1, peer_events=50_000, peer_customers=10_000)

Told = Work | Shared | Latency | Answered | PeerWork | AboutPeer
"""What the listener is told as soon as it is known."""


@dataclass(frozen=True)
class Listener:
    """``doing``: what goes on now; ``found``: a figure that is there."""

    doing: Callable[[str], None]
    found: Callable[[Told], None]


def run(parts: Sequence[str], peers: Sequence[Peer], sizes: Sizes, command: str, listener: Listener) -> Result:
    """``parts`` of PARTS; ``peers``: who takes part in the last. About a minute a part, and half a minute a peer and round."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # or the stack's processes would stay
    started = begun()
    result = Result(started.ended(command))
    if set(parts) & {*STAGES, "rebuild"}:
        _stages(parts, sizes, result, listener)
    if "workers" in parts:
        _workers(sizes, result, listener)
    if "ingest" in parts:
        _ingest(sizes, result, listener)
    if "end-to-end" in parts:
        _end_to_end(sizes, result, listener)
    if "questions" in parts:
        _questions(sizes, result, listener)
    if "peers" in parts:
        _simple_job(peers, sizes, result, listener)
    result.about = started.ended(command)
    return result


def _stages(parts: Sequence[str], sizes: Sizes, result: Result, listener: Listener) -> None:
    """Each stage works off what the one before it left; one that nobody asked for does so unmeasured. Then all is built again."""
    wanted = [name for name in STAGES if name in parts]
    needed = STAGES if "rebuild" in parts else STAGES[: STAGES.index(wanted[-1]) + 1]
    result.traffic = f"{sizes.events:,} touchpoints of {sizes.customers:,} customers"
    with running_stack() as stack:
        listener.doing(f"writing {sizes.events:,} touchpoints to the log")
        fill(stack, topics.TOUCHPOINTS.name, touchpoints(sizes.customers, sizes.events))
        for name in needed:
            listener.doing(f"{name} works off what waits for it")
            work = drain(stack, name, messages_in(stack, *READS[name]))
            stack.stop(name)
            if name in wanted:
                result.stages.append(work)
                listener.found(work)
        counts = {topic.name: messages_in(stack, topic.name) / sizes.events for topic in topics.TOPICS}
        result.kept = {what: Kept(round(counts.get(what, 0), 3), round(size / sizes.events)) for what, size in stack.disk().items() if size}
        if "rebuild" in parts:
            listener.doing("all that is stored is built again from the log")
            result.rebuilds.append(rebuilt(stack, sizes.events))
            listener.found(result.rebuilds[-1])


def _workers(sizes: Sizes, result: Result, listener: Listener) -> None:
    """The same log each time, each on a new stack and a new store."""
    result.shared_job = f"{sizes.shared:,} touchpoints of {sizes.customers:,} customers"
    log = list(touchpoints(sizes.customers, sizes.shared))
    for store, workers in RUNS:
        listener.doing(f"profile, {workers} worker(s) over one {store}")
        result.shared.append(work_off(store, workers, log))
        listener.found(result.shared[-1])


def _ingest(sizes: Sizes, result: Result, listener: Listener) -> None:
    with running_stack() as stack:
        stack.start("ingest")
        for way in (ingest_load.BATCHES, ingest_load.SINGLE):
            listener.doing(f"{way.name}: as fast as it answers")
            result.ingest.append(ingest_load.fastest(stack, way, sizes.seconds))
            listener.found(result.ingest[-1])
            listener.doing(f"{way.name}: {way.paced:,} requests a second")
            result.latencies.append(ingest_load.paced(stack, way, sizes.seconds))
            listener.found(result.latencies[-1])
        listener.doing("ingest, single events, a second replica beside the first")
        stack.start("ingest", "ingest, second replica")
        result.ingest.append(ingest_load.fastest(stack, ingest_load.SINGLE, sizes.seconds))
        listener.found(result.ingest[-1])


def _end_to_end(sizes: Sizes, result: Result, listener: Listener) -> None:
    with running_stack() as stack:
        for name in SERVICES:
            stack.start(name)
        listener.doing("POST to row: as fast as it is taken")
        result.end_to_end.append(sustained(stack, sizes.customers, sizes.sustained))
        listener.found(result.end_to_end[-1])
        listener.doing("the stages work off what is left")
        settled(stack)
        listener.doing(f"POST to row: {sizes.paced:,} touchpoints a second")
        result.latencies.append(paced(stack, sizes.customers, sizes.paced, sizes.seconds))
        listener.found(result.latencies[-1])


def _questions(sizes: Sizes, result: Result, listener: Listener) -> None:
    customers = sizes.asked // 10
    result.asked_of = f"{sizes.asked:,} touchpoints of {customers:,} customers"
    for answer in analysts.answers(sizes.asked, customers, listener.doing):
        result.answers.append(answer)
        listener.found(answer)


def _simple_job(peers: Sequence[Peer], sizes: Sizes, result: Result, listener: Listener) -> None:
    """All of them on one broker, one after the other; each round on a new one."""
    result.simple_job = f"{sizes.peer_events:,} touchpoints of {sizes.peer_customers:,} customers, {sizes.rounds} round(s)"
    result.peers = list(OURS)
    commands = dict[str, list[str]]()
    for peer in peers:
        listener.doing(f"preparing {peer.title}: the first time its packages are fetched")
        about = AboutPeer(peer.name, peer.title, peer.version(), peer.guarantee, peer.state)
        try:
            commands[peer.name] = peer.prepare()
        except CannotPrepare as failure:
            about = replace(about, missing=str(failure))
            listener.found(about)
        result.peers.append(about)
    for number in range(1, sizes.rounds + 1):
        _round(f"round {number}", [peer for peer in peers if peer.name in commands], commands, sizes, result, listener)


def _round(name: str, peers: Sequence[Peer], commands: dict[str, list[str]], sizes: Sizes, result: Result, listener: Listener) -> None:
    with running_stack() as stack:
        jobs = dict[float, Job]()
        for share in {1.0} | {peer.share for peer in peers}:
            listener.doing(f"{name}: writing touchpoints to the log")
            log = list(simple_touchpoints(round(sizes.peer_customers * share), round(sizes.peer_events * share)))
            topic = topics.TOUCHPOINTS.name if share == 1.0 else f"touchpoints-{share:g}"
            make_topic(stack, topic)
            fill(stack, topic, log)
            jobs[share] = Job(topic, expected(log))
        listener.doing(f"{name}: Rapport")
        for work in run_rapport(stack, jobs[1.0]):
            result.peer_work.append(work)
            listener.found(work)
        for peer in peers:
            listener.doing(f"{name}: {peer.title}")
            result.peer_work.append(run_peer(peer, commands[peer.name], stack, jobs[peer.share]))
            listener.found(result.peer_work[-1])
