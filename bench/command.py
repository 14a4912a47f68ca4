"""What ``rapport bench`` does: chooses, measures with progress on the terminal, and shows or writes what came out."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.table import Table as Grid

from bench import report
from bench.latencies import Latency
from bench.peers.catalogue import named
from bench.result import AboutPeer, Answered, Result, Shared, Work, stored
from bench.run import FULL, PARTS, QUICK, Listener, Told, run

WIDE = 160
"""Columns of a table where nobody's terminal says how many there are."""


def measured(only: str | None, peers: bool, chosen: list[str], quick: bool, sizes: dict[str, int]) -> Result:
    """KeyError names a part or a peer that there is not."""
    console = Console(stderr=True)
    parts = parts_of(only, peers or bool(chosen))
    command = " ".join(["rapport", *sys.argv[1:]])
    with console.status("starting Kafka and ClickHouse") as status:
        doing = status.update if console.is_terminal else console.print
        listener = Listener(lambda what: doing(what), lambda found: console.print(said(found)))
        return run(parts, named(chosen), replace(QUICK if quick else FULL, **sizes), command, listener)


def parts_of(only: str | None, peers: bool) -> list[str]:
    """In the order in which they are measured."""
    wanted = only.split(",") if only else [part for part in PARTS if part != "peers"]
    if peers:
        wanted.append("peers")
    for part in wanted:
        if part not in PARTS:
            raise KeyError(part)
    return [part for part in PARTS if part in wanted]


def said(found: Told) -> str:
    """One line about a figure that is there."""
    if isinstance(found, Latency):
        middle, late, most = (found.ms[share] for share in ("50", "99", "100"))
        return f"{found.what} at {found.offered_per_second:,} a second: p50 {middle:g} ms, p99 {late:g} ms, most {most:g} ms"
    if isinstance(found, AboutPeer):
        return f"{found.title} cannot run here: {found.missing}"
    if isinstance(found, Answered):
        return f"{found.what}: p50 {found.ms['50']:g} ms, most {found.ms['100']:g} ms, {found.cpu_ms:g} ms of ClickHouse's CPU"
    if isinstance(found, Work):
        return f"{found.what}: {found.per_second:,} a second, {found.spent[0].cpu_us:g} µs of its own CPU each"
    if isinstance(found, Shared):
        wrong = f"; WRONG: {'; '.join(found.wrong)}" if found.wrong else ""
        return f"{found.workers} over {found.store}: {found.per_second:,} a second, {found.for_nothing:.0%} decided for nothing{wrong}"
    if found.wrong:
        return f"{found.peer}: does not count: {found.wrong}"
    return f"{found.peer}: {found.events / found.seconds:,.0f} a second, {found.spent[0].cpu_us:g} µs of its own CPU each"


def shown(result: Result, json: Path | None, out: Path | None) -> None:
    """Tables for people; files where they are asked for."""
    console = Console()
    if not console.is_terminal:
        console.width = WIDE
    for title, table in _tables(result):
        console.print(_grid(title, table))
    if json:
        json.write_bytes(stored(result))
    if out:
        for file in report.write(result, out):
            console.print(f"wrote {file}")


def _tables(result: Result) -> Sequence[tuple[str, report.Table]]:
    tables = [("This run", report.about_table(result.about))]
    if result.stages:
        tables.append((f"Each stage by itself: {result.traffic}", report.stage_table(result.stages)))
    if result.rebuilds:
        tables.append((f"Built again from the log: {result.traffic}", report.work_table(result.rebuilds)))
    if result.shared:
        tables.append((f"Workers of profile over one store: {result.shared_job}", report.shared_table(result.shared)))
    if result.ingest or result.end_to_end:
        tables.append(("Ingest, and POST to row", report.work_table([*result.ingest, *result.end_to_end])))
    if result.latencies:
        tables.append(("Latency, from when each request was due", report.latency_table(result.latencies)))
    if result.answers:
        tables.append((f"Questions to ClickHouse: {result.asked_of}", report.answer_table(result.answers)))
    if result.peer_work:
        tables.append((f"The simple job: {result.simple_job}", report.peer_table(result)))
    return tables


def _grid(title: str, table: report.Table) -> Grid:
    grid = Grid(*table.head, title=title, show_header=any(table.head))
    for row in table.rows:
        grid.add_row(*(cell.replace("`", "") for cell in row))
    return grid
