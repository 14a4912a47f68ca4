"""Workers over identity stores, simulated: how much gets through, and how much is decided for nothing. Pure, and seeded.

python -m bench.contention                # the designs beside each other, by workers
python -m bench.contention --stray 0.5    # every second touchpoint comes by another channel's key

Only what the store's design costs is in it: each worker has a core, the database server as many as it needs. A batch is decided (by
one worker), then written (by one writer of a store at a time). What differs is when a decision counts for nothing:

* ``head``: whenever anybody committed since it was begun; nothing that was in memory may then be counted on. After three times in a row
  the worker reads its partitions again. This is how a worker begins.
* ``turns``: never, since a worker takes the store's turn before it decides. But nothing that is in memory may be counted on where another
  committed since. This is how workers over PostgreSQL go on once they were overtaken.
* ``rows``: where somebody committed something about one of the batch's own customers since it was begun; all else in memory stays true.
* ``repair``: as ``rows``, but only the touchpoints about those customers are decided again, at once, in the worker's turn to write.
* ``shards``: never, since each worker has a store and a part of the identifiers to itself. A touchpoint that came to a worker who does not
  have its customer goes on to the one who has, who decides on it and writes it once more.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from heapq import heapify, heappop, heappush
from itertools import accumulate
from random import Random

DECISIONS_A_BATCH = 3
"""As a worker has it (services/runtime/worker.py)."""
WORKERS = (1, 2, 4, 8, 16, 32)


@dataclass(frozen=True)
class Costs:
    """Microseconds an event. ``read``: taking it from Kafka and giving away what follows; ``decide``: with everything in memory;
    ``decide_cold``: with nothing; ``write``: while nobody else can write to the store."""

    read: float
    decide: float
    decide_cold: float
    write: float


@dataclass(frozen=True)
class Traffic:
    """``stray``: the share of touchpoints that come to any worker, whoever has the customer's others: by another channel's key.
    ``skew``: customers are drawn by a Zipf weight of this power."""

    customers: int = 100_000
    skew: float = 0.8
    stray: float = 0.02
    batch: int = 2_000
    batches: int = 8
    seed: int = 1


@dataclass(frozen=True)
class Outcome:
    """``thrown_away``: the share of all decisions that counted for nothing."""

    workers: int
    per_second: float
    thrown_away: float


Batch = Sequence[int]
"""The customers whom its touchpoints are about."""


def simulated(design: str, workers: int, costs: Costs, traffic: Traffic) -> Outcome:
    """KeyError: there is no such design."""
    return DESIGNS[design](_batches(workers, traffic), costs, traffic)


@cache
def _batches(workers: int, traffic: Traffic) -> list[list[Batch]]:
    """For each worker what comes to it. Customer c is at home at worker c % workers."""
    random = Random(traffic.seed)
    weights = _weights(traffic.customers, traffic.skew)
    homes: list[list[int]] = [[] for _ in range(workers)]
    size = traffic.batch * traffic.batches
    for customer in random.choices(range(traffic.customers), cum_weights=weights, k=size * workers):
        home = random.randrange(workers) if random.random() < traffic.stray else customer % workers
        homes[home].append(customer)
    return [[home[at : at + traffic.batch] for at in range(0, len(home), traffic.batch)] for home in homes]


@cache
def _weights(customers: int, skew: float) -> list[float]:
    return list(accumulate((rank + 1) ** -skew for rank in range(customers)))


def _queued(batches: list[list[Batch]], first: float) -> tuple[list[list[Batch]], list[tuple[float, int]]]:
    """Each worker's batches, the next one last; and a heap of (when it first wants to write, worker): after ``first`` micros an event."""
    queues = [list(reversed(each)) for each in batches]
    ready = [(len(queue[-1]) * first, worker) for worker, queue in enumerate(queues) if queue]
    heapify(ready)
    return queues, ready


def _optimistic(whole_head: bool, repair: bool = False) -> Callable[[list[list[Batch]], Costs, Traffic], Outcome]:
    """Decide first, and look when it is one's turn to write whether that still counts."""

    def run(batches: list[list[Batch]], costs: Costs, _: Traffic) -> Outcome:
        first = costs.read + costs.decide
        queues, ready = _queued(batches, first)
        changed: dict[int, int] = {}
        head = free = decided = 0.0
        number = 0
        tries, known = [0] * len(queues), [0] * len(queues)
        while ready:
            at, worker = heappop(ready)
            if at < free:
                heappush(ready, (free, worker))
                continue
            batch = queues[worker][-1]
            decided += len(batch)
            others = number > known[worker] if whole_head else any(changed.get(one, 0) > known[worker] for one in batch)
            repaired = 0
            if others and repair:
                repaired = sum(changed.get(one, 0) > known[worker] for one in batch)
            elif others:
                known[worker] = number
                tries[worker] = (tries[worker] + 1) % DECISIONS_A_BATCH
                again = (costs.decide_cold if whole_head else costs.decide) + (0 if tries[worker] else costs.read)
                heappush(ready, (at + len(batch) * again, worker))
                continue
            decided += repaired
            free = head = at + len(batch) * costs.write + repaired * costs.decide_cold
            number += 1
            changed.update(dict.fromkeys(batch, number))
            known[worker], tries[worker] = number, 0
            queues[worker].pop()
            if queues[worker]:
                heappush(ready, (free + len(queues[worker][-1]) * first, worker))
        return _outcome(batches, head, decided)

    return run


def _turns(batches: list[list[Batch]], costs: Costs, _: Traffic) -> Outcome:
    queues, ready = _queued(batches, costs.read)
    free, last = 0.0, -1
    while ready:
        at, worker = heappop(ready)
        if at < free:
            heappush(ready, (free, worker))
            continue
        size = len(queues[worker].pop())
        decide = costs.decide if last in (-1, worker) else costs.decide_cold
        free, last = at + size * (decide + costs.write), worker
        if queues[worker]:
            heappush(ready, (free + len(queues[worker][-1]) * costs.read, worker))
    return _outcome(batches, free, _events(batches))


def _shards(batches: list[list[Batch]], costs: Costs, _: Traffic) -> Outcome:
    """Each worker does what came to it, and what others had to pass on; a passed touchpoint is read twice, and decided and written where it
    came too, since what it says about who is who must be kept there."""
    workers = len(batches)
    whole = costs.read + costs.decide + costs.write
    busy = [0.0] * workers
    for worker, each in enumerate(batches):
        for batch in each:
            for customer in batch:
                busy[worker] += whole
                if customer % workers != worker:
                    busy[customer % workers] += whole
    return _outcome(batches, max(busy), _events(batches))


def _events(batches: list[list[Batch]]) -> int:
    return sum(len(batch) for each in batches for batch in each)


def _outcome(batches: list[list[Batch]], micros: float, decided: float) -> Outcome:
    events = _events(batches)
    return Outcome(len(batches), events / micros * 1e6, 1 - events / decided)


DESIGNS = {
    "head": _optimistic(whole_head=True),
    "turns": _turns,
    "rows": _optimistic(whole_head=False),
    "repair": _optimistic(whole_head=False, repair=True),
    "shards": _shards,
}


def main() -> None:
    """With the costs that docs/scale.json has."""
    from bench.scale import DOCS, costs_of, measured_in

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stray", type=float, default=Traffic.stray)
    parser.add_argument("--batch", type=int, default=Traffic.batch)
    options = parser.parse_args()
    traffic, costs = Traffic(stray=options.stray, batch=options.batch), costs_of(measured_in(DOCS))
    print(costs)
    for design in DESIGNS:
        for workers in WORKERS:
            found = simulated(design, workers, costs, traffic)
            print(f"{design:8}{workers:4}{found.per_second:12,.0f} a second{found.thrown_away:8.0%} decided for nothing")


if __name__ == "__main__":
    main()
