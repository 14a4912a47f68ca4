"""The report of a run: docs/performance.md and its pictures, made of the stored JSON alone. Pure, but for ``write``.

``python -m bench.report docs`` writes docs/performance.md and its pictures anew from docs/performance.json; with the JSON file of another
run after it, its section on peers is of that one.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench import words
from bench.charts import Bar, bars, curves
from bench.latencies import PERCENTILES, Latency
from bench.machine import About
from bench.result import RUNTIME, AboutPeer, Answered, Kept, PeerWork, Result, Shared, Work, read, stored, with_peers_of, work_of

NAME = "performance"
SHOWN = (50.0, 90.0, 99.0, 99.9, 100.0)
BUSY = 1.0
"""A load before the run above which others are said to have worked too."""


@dataclass(frozen=True)
class Table:
    """For the page and for the terminal."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]


def write(result: Result, folder: Path) -> list[Path]:
    """The page, its pictures and the JSON that both are made of; pictures of parts that were not measured go."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {f"{NAME}.md": page(result), f"{NAME}.json": stored(result).decode(), **pictures(result)}
    for old in folder.glob(f"{NAME}-*.svg"):
        old.unlink()
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in files]


def page(result: Result) -> str:
    """docs/performance.md."""
    return "\n".join(
        [
            *_head(result),
            *_stages(result),
            *_rebuilds(result),
            *_shared(result),
            *_ingest(result),
            *_whole_path(result),
            *_latencies(result),
            *_answers(result),
            *_peers(result),
            words.TAIL,
        ]
    )


def pictures(result: Result) -> Mapping[str, str]:
    """File name → SVG, of the parts that were measured."""
    made = {}
    if result.stages:
        made[f"{NAME}-stages.svg"] = _stage_picture(result.stages)
    if result.end_to_end:
        made[f"{NAME}-path.svg"] = _path_picture(result.end_to_end[0])
    if result.latencies:
        lines = [(f"{one.what}, {one.offered_per_second:,} events/s", list(one.ms.values())) for one in result.latencies]
        made[f"{NAME}-latency.svg"] = curves("Latency by percentile, in ms from when a request was due", PERCENTILES, lines)
    if result.peer_work:
        made[f"{NAME}-peers.svg"] = _peer_picture(result)
        made[f"{NAME}-peers-cpu.svg"] = _peer_cost_picture(result)
    return made


# ---- the run


def _head(result: Result) -> Iterator[str]:
    about = result.about
    yield f"<!-- Written by `{about.command}` from {NAME}.json; a test compares. Measure again instead of changing this page. -->\n"
    yield words.HEAD
    yield from markdown(about_table(about))
    if about.load_before > BUSY:
        yield words.BUSY.format(load=about.load_before, cores=about.cores)
    yield words.TERMS


def about_table(about: About) -> Table:
    rows = [
        ("command", f"`{about.command}`, {about.minutes:g} minutes"),
        ("when", about.began),
        ("commit", f"`{about.commit}`" + (" and changes that were not committed" if about.commit.endswith("+") else "")),
        ("machine", f"{about.cores} cores of {about.processor}, {about.memory_gb} GB, {about.system}"),
        ("load", f"{about.load_before:g} before, {about.load_after:g} after (processes that want a core, the average of a minute)"),
        ("versions", ", ".join(f"{name} {number}" for name, number in about.versions.items())),
    ]
    return Table(("", ""), rows)


# ---- Rapport alone


def _stages(result: Result) -> Iterator[str]:
    if not result.stages:
        return
    yield words.STAGES.format(traffic=result.traffic)
    yield _image("stages", "CPU for one message, by stage and process")
    yield from markdown(stage_table(result.stages))
    yield from (f"ClickHouse took in {work.note} from {work.what}.\n" for work in result.stages if work.note)
    if result.kept:
        yield words.KEPT
        yield from markdown(kept_table(result.kept))


def _rebuilds(result: Result) -> Iterator[str]:
    if result.rebuilds:
        whole = sum(work.seconds for work in result.rebuilds)
        yield words.REBUILDS.format(traffic=result.traffic, seconds=whole)
        yield from markdown(work_table(result.rebuilds))


def kept_table(kept: Mapping[str, Kept]) -> Table:
    rows = [(f"`{what}`", f"{one.messages:g}" if one.messages else "", f"{one.bytes:,}") for what, one in kept.items()]
    return Table(("what", "messages a touchpoint", "bytes a touchpoint"), rows)


def stage_table(stages: Sequence[Work]) -> Table:
    head = ("stage", "messages/s", "messages/s a core", "CPU µs: stage", "Kafka", "ClickHouse", "memory MB: stage", "Kafka", "ClickHouse")
    rows = []
    for work in stages:
        cpu, memory = ([f"{getattr(spent, field):,}" for spent in work.spent] for field in ("cpu_us", "peak_mb"))
        rows.append((work.what, f"{work.per_second:,}", f"{work.per_core:,}", *cpu, *memory))
    return Table(head, rows)


def _shared(result: Result) -> Iterator[str]:
    if not result.shared:
        return
    yield words.SHARED.format(job=result.shared_job)
    yield from markdown(shared_table(result.shared))
    yield from waits(result.shared)
    for one in result.shared:
        if one.wrong:
            yield f"- {one.workers} over {one.store} does not count: {'; '.join(one.wrong)}"
    if len({one.holders for one in result.shared}) > 1:
        yield "- The runs differ in who holds which identifier."
    yield ""


def waits(shared: Sequence[Shared]) -> Iterator[str]:
    """Where writers wait, as far as the store can say."""
    for one in shared:
        if one.waits:
            doing = ", ".join(f"{share:.0%} {what}" for what, share in one.waits.items())
            yield f"- {one.workers} over {one.store}, of the time in which a worker has a transaction open: {doing}."


def shared_table(shared: Sequence[Shared]) -> Table:
    head = (
        *("store", "workers", "events/s", "transactions", "overtaken", "read again", "decided for nothing"),
        *("CPU µs: workers", "PostgreSQL", "Kafka", "lost or doubled"),
    )
    rows = []
    for one in shared:
        ended = [f"{one.transactions.get(result, 0):,}" for result in ("applied", "overtaken", "stale")]
        cpu = [f"{one.cpu_us[who]:,}" if who in one.cpu_us else "" for who in ("workers", "PostgreSQL", "Kafka")]
        proof = f"{len(one.wrong)} kinds" if one.wrong else "nothing"
        rows.append((one.store, str(one.workers), f"{one.per_second:,}", *ended, f"{one.for_nothing:.0%}", *cpu, proof))
    return Table(head, rows)


def _ingest(result: Result) -> Iterator[str]:
    if result.ingest:
        yield words.INGEST
        yield from markdown(work_table(result.ingest))


def _whole_path(result: Result) -> Iterator[str]:
    for work in result.end_to_end:
        yield words.PATH.format(events=work.events, how=work.note, per_second=work.per_second)
        yield _image("path", "CPU for one touchpoint on the whole path, by process")
        yield from markdown(work_table([work]))


def work_table(works: Sequence[Work]) -> Table:
    rows = []
    for work in works:
        for number, spent in enumerate(work.spent):
            first = (work.what, f"{work.per_second:,}", work.note) if number == 0 else ("", "", "")
            rows.append((*first, spent.process, f"{spent.cpu_us:,}", f"{spent.peak_mb:,}"))
    return Table(("what", "events/s", "how", "process", "CPU µs", "memory MB"), rows)


def _latencies(result: Result) -> Iterator[str]:
    if result.latencies:
        yield words.LATENCIES
        yield _image("latency", "Latency by percentile")
        yield from markdown(latency_table(result.latencies))


def latency_table(latencies: Sequence[Latency]) -> Table:
    head = ("what", "offered, events/s", "measured", *("most ms" if share == 100 else f"p{share:g} ms" for share in SHOWN))
    rows = [
        (one.what, f"{one.offered_per_second:,}", f"{one.events:,}", *(f"{one.ms[f'{share:g}']:,g}" for share in SHOWN))
        for one in latencies
    ]
    return Table(head, rows)


def _answers(result: Result) -> Iterator[str]:
    if result.answers:
        yield words.ANSWERS.format(what=result.asked_of)
        yield from markdown(answer_table(result.answers))


def answer_table(answers: Sequence[Answered]) -> Table:
    rows = [(one.what, f"{one.times:,}", *(f"{one.ms[share]:,g}" for share in ("50", "99", "100")), f"{one.cpu_ms:,g}") for one in answers]
    return Table(("question", "asked", "p50 ms", "p99 ms", "most ms", "CPU ms: ClickHouse"), rows)


def _stage_picture(stages: Sequence[Work]) -> str:
    rows = [
        Bar(work.what, [spent.cpu_us for spent in work.spent], f"{sum(spent.cpu_us for spent in work.spent):.1f} µs", strong=True)
        for work in stages
    ]
    return bars("CPU for one message, in µs", ("the stage itself", "Kafka", "ClickHouse"), rows)


def _path_picture(work: Work) -> str:
    rows = [Bar(spent.process, [spent.cpu_us], f"{spent.cpu_us:g} µs") for spent in work.spent]
    whole = sum(spent.cpu_us for spent in work.spent)
    return bars(f"CPU for one touchpoint from POST to row: {whole:.1f} µs in all", (), rows)


# ---- peers


def _peers(result: Result) -> Iterator[str]:
    if not result.peer_work:
        return
    yield words.PEERS.format(job=result.simple_job)
    if result.peers_about:
        yield words.PEERS_APART
        yield from markdown(about_table(result.peers_about))
    yield _image("peers", "Touchpoints a second at the simple job")
    yield _image("peers-cpu", "CPU for one touchpoint at the simple job")
    yield from markdown(peer_table(result))
    yield from markdown(promise_table(result.peers))
    for peer in result.peers:
        if peer.missing:
            yield f"- {peer.title} is missing: {peer.missing}\n"
    for run in result.peer_work:
        if run.wrong:
            yield f"- A run of {_title(result, run.peer)} does not count: {run.wrong}\n"
    if work_of(result.peer_work, RUNTIME):
        yield words.RUNTIME
    yield words.MORE


def peer_table(result: Result) -> Table:
    head = ("who", "events/s", "least to most", "CPU µs: its own", "Kafka", "memory MB", "output visible every")
    rows = []
    for peer in result.peers:
        runs = work_of(result.peer_work, peer.name)
        if runs:
            speeds, middle = _speeds(runs), runs[len(runs) // 2]
            own, broker = middle.spent
            visible = f"{middle.visible_every_ms:,} ms" if middle.visible_every_ms else ""
            speed = (f"{median(speeds):,.0f}", f"{speeds[0]:,.0f} to {speeds[-1]:,.0f}")
            rows.append((peer.title, *speed, f"{own.cpu_us:,}", f"{broker.cpu_us:,}", f"{own.peak_mb:,}", visible))
    return Table(head, rows)


def promise_table(peers: Sequence[AboutPeer]) -> Table:
    rows = [(peer.title, peer.version, peer.guarantee, peer.state) for peer in peers]
    return Table(("who", "version", "guarantee", "durable state"), rows)


def _peer_picture(result: Result) -> str:
    rows = []
    for peer in result.peers:
        if runs := work_of(result.peer_work, peer.name):
            speeds = _speeds(runs)
            speed = median(speeds)
            rows.append(Bar(peer.title, [speed], f"{speed:,.0f}", (speeds[0], speeds[-1]), _ours(peer)))
    return bars("Touchpoints a second at the simple job (line: least to most)", (), rows)


def _peer_cost_picture(result: Result) -> str:
    rows = []
    for peer in result.peers:
        if runs := work_of(result.peer_work, peer.name):
            cpu = [spent.cpu_us for spent in runs[len(runs) // 2].spent]
            rows.append(Bar(peer.title, cpu, f"{sum(cpu):.1f} µs", strong=_ours(peer)))
    return bars("CPU for one touchpoint at the simple job, in µs", ("its own process", "Kafka"), rows)


def _speeds(runs: Sequence[PeerWork]) -> list[float]:
    return [run.events / run.seconds for run in runs]


def _ours(peer: AboutPeer) -> bool:
    return peer.name.startswith("rapport")


def _title(result: Result, name: str) -> str:
    return next(peer.title for peer in result.peers if peer.name == name)


# ---- Markdown


def _image(part: str, words: str) -> str:
    return f"![{words}]({NAME}-{part}.svg)\n"


def markdown(table: Table) -> Iterator[str]:
    yield "| " + " | ".join(table.head) + " |"
    yield "|" + "---|" * len(table.head)
    yield from ("| " + " | ".join(row) + " |" for row in table.rows)
    yield ""


if __name__ == "__main__":
    folder, *others = map(Path, sys.argv[1:])
    run = read(folder / f"{NAME}.json")
    write(with_peers_of(run, read(others[0])) if others else run, folder)
