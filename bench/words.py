"""What the report says around its figures. Lines are broken where the page breaks them."""

HEAD = """# How fast it is

Figures of one run on one machine, every process of it on the same cores: Kafka, ClickHouse, Rapport, and whoever sends. Machines are
shared and noisy, so figures of different runs cannot be compared; **ratios within one run** can. The command below measures it all
again, on yours, and writes this page.
"""
BUSY = """**The machine was not idle**: before the run began {load:g} processes wanted its {cores} cores already. Figures per second
are too low by that, latencies too high, and processor time is somewhat too high.
"""
TERMS = """*CPU* is processor time in microseconds, of each process, for one event. *A second a core*: as many as the stage would work off
if it had one core to itself. *Memory* is the most resident memory that was seen, looked at five times a second.
"""
STAGES = """## Each stage by itself

A stage works off what waits for it in Kafka; the log held {traffic}: five types, one to three identifiers; of each hundred touchpoints
one is a repeat, one late by days, one of a new visitor, and one links a visitor to a customer. Every stage keeps all its promises
meanwhile: its state is durable, nothing counts twice, and it publishes what follows.
"""
KEPT = """What all of it takes on disk afterwards, in one copy, before Kafka compacts:
"""
REBUILDS = """## Built again from the log

`rapport rebuild` of all stages at once, when all is worked off: {traffic}, **{seconds:.0f} seconds** from its start to its end. Each
reads its part of the log, folds it into a new store, takes over what was published, compares every customer with what is live, and
switches over. Figures are for one touchpoint of the log; memory is that of all its processes together.
"""
SHARED = """## Several workers over one store

One, two and four processes of the profile stage work off the same log ({job}), each time with a new stack and a new store; one over SQLite
for comparison. All processes share the cores of this machine, so this shows what sharing a store costs, not how far it scales. *Overtaken*:
another worker's commit came first, and the batch was decided again; *read again*: that happened three times in a row. Afterwards every
distinct `event_id` must be applied exactly once, each customer's sequence be without a gap, every stored event published under its own id,
and every position at the end of its partition; and all runs must agree on who holds which identifier. [scale.md](scale.md) says what
follows from it.
"""
INGEST = """## Ingest

HTTP over loopback. Every event is answered after Kafka acknowledged it (`acks=all`); connections send again as soon as they are answered.
"""
PATH = """## The whole path

{events:,} touchpoints posted ({how}), taken in by all four services, and found in ClickHouse by a query: **{per_second:,} a second**.
"""
LATENCIES = """## Latency

Sent in a fixed rhythm, whatever the answers. Each wait counts from the moment its request was **due**, so that a stall counts for all that
waited behind it (no coordinated omission). HDR histograms of three digits.
"""
ANSWERS = """## Questions to ClickHouse

Asked one after the other while nothing else goes on, of {what}, a fifth of them merged into others: the questions of
[questions.md](questions.md), and what is asked of one customer, each time another. All but the last 250,000 touchpoints are in merged
parts, as ClickHouse leaves them after an hour.
"""
PEERS = """## Beside its peers

One simple job, the same touchpoints, the same broker, one after the other, one process each ({job}; each customer known by its id
alone). Of every touchpoint: drop it if its `event_id` was ever seen; else count it in its customer's profile (by type, spend by currency,
last seen), add points, and publish one message. The state is durable. [bench/peers](../bench/peers) holds each peer, written as its own
documentation would have it, its settings left at their defaults.

The clock runs from the first record taken in until the last message is visible to a reader of committed records. A run counts only if
all messages are there and every customer equals a plain fold of the log. Events a second are the median of the rounds; the other
columns are of the round in the middle.
"""
PEERS_APART = """This section is of a run of its own; between it and the other sections nothing can be compared:
"""
RUNTIME = """*Rapport's runtime, this job alone* is a stage of one page ([its source](../bench/peers/rapport_stage.py)), which does what its
peers do and no more, on what runs Rapport's own stages: the same consumer, event store and outbox. It also keeps every message for
ever, numbered by customer. This is the row to compare the peers with.
"""
MORE = """What Rapport's profile stage does besides, in the figures above: it resolves identities (limits, merges and splits), checks every
touchpoint against its schema and quarantines what is wrong, keeps every event for ever with a sequence by customer, and publishes
whole customers too. Points are the loyalty stage's, with lots and a ledger; hence the second row, of both stages' work one after the
other. A peer keeps a profile, and no history.
"""
TAIL = """## Measure it yourself

```sh
./rapport bench --quick                  # a look, a few minutes
./rapport bench --peers --out report     # all of it, and a page like this one
./rapport bench --help
```
"""
