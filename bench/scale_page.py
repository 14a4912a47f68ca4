"""docs/scale.md: its words, around tables that are computed. Pure."""

from collections.abc import Iterator

from bench.contention import DESIGNS, WORKERS, Traffic, simulated
from bench.report import BUSY as BUSY_LOAD
from bench.report import Table, about_table, markdown, shared_table, waits
from bench.scale import (
    BATCH,
    BUSY,
    CUSTOMERS,
    EVENTS,
    KAFKA_COPIES,
    TARGET,
    Measured,
    costs_of,
    disk_a_day,
    limits,
    needed,
    network,
    rates,
    shared,
)
from services.runtime.worker import TURNS

TRAFFICS = (
    (Traffic(), "a customer's touchpoints nearly always come by one key"),
    (Traffic(stray=0.5, batch=500), "half of them by another"),
)

HEAD = """\
<!-- Written by `python -m bench.scale` from scale.json; a test compares. Measure again (`--measure`) instead of changing this page. -->

# What a million events a second would take

A model: costs measured on a small machine, times a million. It says what would be needed, what breaks first, and what the design
answers. Nothing here was run at a million a second. Costs are **processor time**, which other programs on the machine disturb less than
they disturb seconds.

## What was measured
"""
BUSY_WORDS = """\
The machine was shared: before the run began {load:g} processes wanted its {cores} cores. Events a second are too low by that, processor
time is somewhat too high; compare within the run.
"""
COSTS = """Processor microseconds for one touchpoint of the profile stage over PostgreSQL, the server's part included (`python -m
bench.profile_stage --postgres`: {events:,} touchpoints of {customers:,} customers in batches of {batch:,}):
"""
SHARED = """## Several workers over one store

{job}, worked off by one, two and four workers, each time over a new store.
Every run was proven: each distinct `event_id` applied exactly once, each customer's sequence without a gap, each stored event published
under its own id, every position at the end of its partition, and all runs agree on who holds which identifier.
[performance.md](performance.md) says how it is measured: `rapport bench --only workers`.
"""
SITS = """\
**Where contention sits**: in the store's `head`. A writer counts on everything that it has in memory, so a commit of anybody else's
makes its decision count for nothing, whoever it was about. It would decide again with nothing in memory ({cold:.0f} µs in place of
{warm:.0f}), while the other, who was first, has everything in memory and would be first again. So a worker that was overtaken takes turns:
it locks the store's head before it decides, and is not overtaken again; when nobody else wrote {turns} times in a row, it decides without.
Four workers decided {again:.2f} times on each touchpoint, and spent {cpu:.1f} times the processor time of one. A second worker over one
store is there for when the first one dies, not for speed: they work one at a time.

Before there were turns, the same command measured ({events:,} touchpoints; 2026-11-25 23:36 UTC, commit `86bf2ee059`):
"""
SIMULATED = """## Other designs, simulated

`python -m bench.contention` ([bench/contention.py](../bench/contention.py)) plays workers over identity stores with the costs above:
each worker with a core to itself, {customers:,} customers by a Zipf weight ({skew}). Touchpoints a second, and the share of decisions
that count for nothing:

* `head`: any commit of another's makes a decision worthless. This is how a worker begins, and how it was always before there were turns.
* `turns`: as today, once a worker was overtaken: it takes the store's turn before it decides. Nothing is thrown away, and nothing gained:
  one works at a time, with a cold memory.
* `rows`: only a commit about one of the batch's own customers makes it worthless.
* `repair`: as `rows`, and only the touchpoints about those customers are decided again, in the worker's turn to write.
* `shards`: each worker has a store and a part of the identifiers; touchpoints about another part's customer are passed on.
"""
FOLLOWS = """What follows:

* Checking rows in place of the whole head is not enough: a batch of two thousand nearly always holds one customer of another batch's.
  It must be able to keep the rest (`repair`). That lifts one store to what its one writer at a time can write.
* Beyond that only more stores help. They gain with every worker, less what one hot customer costs the store that has it, and less what
  is passed on. So channels should send a customer's touchpoints under the same key wherever they know it.
* Taking turns gets as much through as being overtaken all the time, on far less processor time.
* With one worker none of this costs anything: today's design is the simplest that is exact, and right until one worker is too slow.
"""
MILLION = """## The arithmetic for {target:,} a second

Cores in use, and units of which no core is busier than {busy:.0%}, so that there is room to catch up. A touchpoint becomes {loyalty:g}
messages in `profile-events`, and projections reads {projections:g} messages for it. Workers are one process, and one core, each. So few
stores are enough only where several workers share one without waiting (`repair`); with a store for each worker (`shards`) it is as many
as workers, and what is passed on comes on top.
"""
NETWORK_WORDS = """\
Kafka takes in {taken:,.0f} bytes for a touchpoint (all topics, as written on disk), sends {copied:,.0f} to followers ({copies} copies)
and {read:,.0f} to the stages: at a million a second {gigabytes:.1f} GB/s in all. Processor time for the followers' copies was not
measured, and is not in the table. Kafka's broker here runs with the settings of one small node
([services/embedded/kafka_settings.py](../services/embedded/kafka_settings.py)).

Disk a day, with all copies:
"""
KEPT = """\
`touchpoints`, `profile-events` and `loyalty-events` are kept for ever, so tiered storage of Kafka is not an option but a must, and so
is a rule for how long the stores and ClickHouse keep what is old. `profiles` and `loyalty-accounts` are compacted: they stay as large
as there are customers.
"""
BREAKS = """## What breaks first

In order, each with all of its cores in use:
"""
THEN = """\
Then, without a figure of ours: one publisher a store sends all that its workers decided, in order, which is why stores must split with
the workers; a customer is decided by one worker at a time, so one customer alone cannot have more than that; and partitions cannot be
added later without moving keys, which state survives (it does not depend on order) but a customer's order in `touchpoints` does not.

## What the design has for it, and what it lacks
"""


LACKS = (
    (
        "order of arrival",
        "state is a function of the set of facts: any split, interleaving or repetition comes out equal",
        "nothing: this is what makes all below possible",
    ),
    (
        "exactly once",
        "effects and positions in one transaction of one store",
        "a touchpoint that was passed on may come again: dropped by `event_id` where it is decided, as now",
    ),
    ("identity", "linked sets in one store", "identifiers split by hash; a touchpoint is decided where its anchor lives"),
    (
        "a link across parts",
        "does not exist",
        "two steps: the anchor's part publishes the link, the other part takes it in and hands its members over; until then there are two "
        "customers, as there are before a late link today",
    ),
    ("customer ids", "derived from identifiers by a keyed hash, never drawn", "nothing: parts agree without asking each other"),
    ("loyalty", "accounts in one store", "split by account; merges across parts in two steps, as above"),
    ("projections", "positions by partition, rows with the same keys when repeated", "shards and `Distributed` tables in the migrations"),
)


def page(found: Measured) -> str:
    return "\n".join(
        [
            *_measured(found),
            *_shared(found),
            *_simulated(found),
            *_million(found),
            *_breaks(found),
            THEN,
            *markdown(Table(("", "today", "to change"), LACKS)),
        ]
    )


def _measured(found: Measured) -> Iterator[str]:
    about, costs = found.run.about, costs_of(found)
    yield HEAD.rstrip() + "\n"
    yield from markdown(about_table(about))
    if about.load_before > BUSY_LOAD:
        yield BUSY_WORDS.format(load=about.load_before, cores=about.cores)
    yield COSTS.format(events=EVENTS, customers=CUSTOMERS, batch=BATCH)
    rows = (
        ("deciding, with everything in memory", costs.decide),
        ("deciding, with nothing in memory", costs.decide_cold),
        ("writing and committing: one writer of a store at a time", costs.write),
        ("reading it from Kafka, publishing what follows (the rest of what a worker and its server spend)", costs.read),
    )
    yield from markdown(Table(("step", "µs"), [(what, f"{us:.1f}") for what, us in rows]))


def _shared(found: Measured) -> Iterator[str]:
    yield SHARED.format(job=found.run.shared_job)
    yield from markdown(shared_table(found.run.shared))
    yield from waits(found.run.shared)
    yield ""
    one, four = (shared(found, workers) for workers in (1, 4))
    spent = [sum(each.cpu_us[who] for who in ("workers", "PostgreSQL")) for each in (one, four)]
    yield SITS.format(
        cold=found.cold.decide,
        warm=found.warm.decide,
        turns=TURNS,
        again=four.decided / four.events,
        cpu=spent[1] / spent[0],
        events=found.before[0].events,
    )
    yield from markdown(shared_table(found.before))


def _simulated(found: Measured) -> Iterator[str]:
    costs = costs_of(found)
    yield SIMULATED.format(customers=Traffic.customers, skew=Traffic.skew)
    for traffic, how in TRAFFICS:
        yield f"{how[0].upper()}{how[1:]} ({traffic.stray:.0%} astray, batches of {traffic.batch:,}):\n"
        rows = []
        for design in DESIGNS:
            each = [simulated(design, workers, costs, traffic) for workers in WORKERS]
            rows.append((f"`{design}`", *(f"{one.per_second:,.0f} ({one.thrown_away:.0%})" for one in each)))
        yield from markdown(Table(("design", *(f"{workers} workers" if workers > 1 else "1 worker" for workers in WORKERS)), rows))
    yield FOLLOWS


def _million(found: Measured) -> Iterator[str]:
    each = rates(found)
    yield MILLION.format(target=TARGET, busy=BUSY, loyalty=each["loyalty"], projections=each["projections"])
    rows = [
        (one.part, f"{one.us:,.1f}" if one.us else "", f"{one.cores:,.0f}" if one.us else "", f"{one.units:,} {one.unit}")
        for one in needed(found)
    ]
    yield from markdown(Table(("part", "µs a touchpoint", "cores in use", "needed"), rows))
    taken, copied, read = network(found)
    gigabytes = (taken + copied + read) * TARGET / 1e9
    yield NETWORK_WORDS.format(taken=taken, copied=copied, read=read, copies=KAFKA_COPIES, gigabytes=gigabytes)
    disk = [(f"`{what}`", f"{size:,}", str(copies), f"{terabytes:,.1f}") for what, size, copies, terabytes in disk_a_day(found)]
    yield from markdown(Table(("what", "bytes a touchpoint", "copies", "TB a day"), disk))
    yield KEPT


def _breaks(found: Measured) -> Iterator[str]:
    yield BREAKS
    rows = [(one.what, f"{one.most:,.0f}", one.answers, one.changes) for one in limits(found)]
    yield from markdown(Table(("what", "touchpoints a second", "what the design answers today", "what would have to change"), rows))
