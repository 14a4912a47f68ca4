"""Measures every stage and the whole path on a private stack of real engines, and prints a table.

    python -m bench                 about four minutes
    python -m bench --events 50000  a quick look

Figures, never verdicts: machines are shared and noisy, so compare ratios within one run.
"""

import argparse
import json
from dataclasses import asdict

from rich.console import Console
from rich.table import Table

from bench.drain import Drained, drain, fill, messages_in
from bench.end_to_end import Latency, Sustained, latency, sustained
from bench.stack import running_stack


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=50_000)
    parser.add_argument("--events", type=int, default=300_000, help="touchpoints in the log that the stages work off")
    parser.add_argument("--sustained", type=int, default=100_000, help="touchpoints posted as fast as they are taken")
    parser.add_argument("--paced", type=int, default=1_000, help="touchpoints a second posted in a fixed rhythm")
    parser.add_argument("--seconds", type=int, default=30, help="how long the fixed rhythm lasts")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    options = parser.parse_args()
    measure(options.customers, options.events, options.sustained, options.paced, options.seconds, options.json)


def measure(customers: int, events: int, sustained_events: int, paced: int, seconds: int, as_json: bool) -> None:
    """Measures all of it on a private stack, and prints tables, or JSON."""
    console = Console(stderr=as_json)
    with running_stack() as stack, console.status("filling the log") as status:
        fill(stack, customers, events)
        drained = []
        status.update("profile works off the log")
        drained.append(drain(stack, "profile", events))
        stack.stop("profile")
        status.update("loyalty works off what profile published")
        drained.append(drain(stack, "loyalty", messages_in(stack, "profile-events")))
        stack.stop("loyalty")
        status.update("projections work off all of it")
        waiting = messages_in(stack, "profile-events", "profiles", "loyalty-events", "loyalty-accounts", "quarantine")
        drained.append(drain(stack, "projections", waiting))
        for name in ("profile", "loyalty", "ingest"):
            stack.start(name)
        status.update("posting as fast as it is taken")
        whole = sustained(stack, customers, sustained_events)
        status.update(f"posting {paced} a second")
        waits = latency(stack, paced, seconds)
    if as_json:
        print(json.dumps({"drain": [asdict(one) for one in drained], "sustained": asdict(whole), "latency": asdict(waits)}))
    else:
        show(console, drained, whole, waits)


def show(console: Console, drained: list[Drained], whole: Sustained, waits: Latency) -> None:
    """Tables for people."""
    stages = Table("stage", "messages", "a second", "CPU µs each", "a second a core", "resident MB", title="Working off a backlog")
    for one in drained:
        row = (f"{one.events:,}", f"{one.per_second:,}", f"{one.cpu_us:.1f}", f"{one.per_core:,}", f"{one.resident_mb:,}")
        stages.add_row(one.stage, *row)
    console.print(stages)
    path = Table("process", "CPU µs a touchpoint", "resident MB", title=f"POST to row in ClickHouse: {whole.per_second:,} a second")
    for name, spent in whole.cpu_us.items():
        path.add_row(name, f"{spent:.1f}", f"{whole.resident_mb[name]:,}")
    path.add_row("all", f"{sum(whole.cpu_us.values()):.1f}", f"{sum(whole.resident_mb.values()):,}")
    console.print(path)
    console.print(
        f"At {waits.offered_per_second:,} a second, accepted to visible in ClickHouse: p50 {waits.p50:g} ms, p90 {waits.p90:g} ms, "
        f"p99 {waits.p99:g} ms, most {waits.most:g} ms ({waits.events:,} events)"
    )


if __name__ == "__main__":
    main()
