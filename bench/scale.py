"""What a million touchpoints a second would take: arithmetic on measured costs. Pure, but for ``main``.

python -m bench.scale              # writes docs/scale.md anew from docs/scale.json
python -m bench.scale --measure    # measures first, about six minutes on two cores
"""

import argparse
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import msgspec

from bench.contention import Costs
from bench.profile_stage import Steps, measured
from bench.result import Kept, Result, Shared, Work
from bench.run import QUICK, Listener, run

DOCS = Path(__file__).parents[1] / "docs"
NAME = "scale"
TARGET = 1_000_000
"""Touchpoints a second."""
BUSY = 0.6
"""The share of a core that may be in use at the target: the rest catches up after a failure."""
CORES = 16
"""Of one host of Kafka, PostgreSQL or ClickHouse."""
NETWORK = 1.25e9
"""Bytes a second that a host of Kafka moves: 10 Gbit/s."""
KAFKA_COPIES, CLICKHOUSE_COPIES, STORE_COPIES = 3, 2, 2
READERS = {"touchpoints": 1, "profile-events": 2, "profiles": 1, "loyalty-events": 1, "loyalty-accounts": 1, "quarantine": 1}
"""How many of the stages read each topic; subscribers of an installation's own come on top."""
DAY = 86_400
PARTS = ("profile", "loyalty", "projections", "workers", "ingest")
CUSTOMERS, EVENTS, BATCH = QUICK.customers, QUICK.shared, 8_000
"""Of the steps: the same as of the quick run, in batches as large as a worker takes from a backlog."""


@dataclass(frozen=True)
class Measured:
    """One run of the bench, and the steps of the profile stage over PostgreSQL: with everything in memory, and with nothing.

    ``before``: workers over one store as they were measured before they took turns, which cannot be measured any more.
    """

    run: Result
    warm: Steps
    cold: Steps
    before: list[Shared]


@dataclass(frozen=True)
class Needed:
    """Of one part at the target: ``us`` of processor time for a touchpoint, cores in use, and how many ``units`` that comes to."""

    part: str
    us: float
    cores: float
    units: int
    unit: str


@dataclass(frozen=True)
class Limit:
    """``most``: touchpoints a second at which it is used up."""

    what: str
    most: float
    answers: str
    changes: str


def measured_in(folder: Path) -> Measured:
    return msgspec.json.decode((folder / f"{NAME}.json").read_bytes(), type=Measured)


def measure(command: str, before: list[Shared]) -> Measured:
    """Takes minutes. ValueError: work was lost or doubled."""
    result = run(PARTS, (), QUICK, command, Listener(print, print))
    if wrong := [one.wrong for one in result.shared if one.wrong]:
        raise ValueError(f"these figures count for nothing: {wrong}")
    warm, cold = (measured(CUSTOMERS, EVENTS, BATCH, postgres=True, forget=forget) for forget in (False, True))
    return Measured(result, warm, cold, before)


def shared(found: Measured, workers: int) -> Shared:
    """The run with so many workers over PostgreSQL."""
    return next(one for one in found.run.shared if one.store == "PostgreSQL" and one.workers == workers)


def costs_of(found: Measured) -> Costs:
    """``read`` is what a worker alone and its PostgreSQL spent, less the steps; at least a microsecond, since both are noisy."""
    alone = shared(found, 1).cpu_us
    read = alone["workers"] + alone["PostgreSQL"] - found.warm.decide - found.warm.commit
    return Costs(max(1.0, round(read, 1)), found.warm.decide, found.cold.decide, found.warm.commit)


def messages(kept: dict[str, Kept], *but: str) -> float:
    """For one touchpoint, in all topics but these."""
    return sum(one.messages for topic, one in kept.items() if topic not in but)


def rates(found: Measured) -> dict[str, float]:
    """How many messages each stage reads for one touchpoint."""
    kept = found.run.kept
    return {"loyalty": kept["profile-events"].messages, "projections": messages(kept, "touchpoints")}


def needed(found: Measured) -> list[Needed]:
    """By part, in the order of a touchpoint's way."""
    stages, each = _works(found), rates(found)
    store, ingest = costs_of(found), _spent(found.run.ingest[0])
    workers = shared(found, 1).cpu_us
    loyalty, projections = (_spent(stages[name]) for name in ("loyalty", "projections"))
    return [
        _needed("ingest", ingest["ingest"], 1, "processes"),
        _needed("profile: workers", workers["workers"], 1, "workers, and so many partitions at least"),
        _needed("profile: the writers' turn", store.write, 1, "stores"),
        _needed("profile: PostgreSQL", workers["PostgreSQL"], CORES, f"hosts of {CORES} cores, and as many stand-bys"),
        _needed("loyalty: workers with their stores", loyalty["loyalty"] * each["loyalty"], 1, "workers, each with a store"),
        _needed("projections", projections["projections"] * each["projections"], 1, "workers"),
        _needed(
            "ClickHouse",
            projections["clickhouse"] * each["projections"],
            CORES,
            f"shards of {CORES} cores, {CLICKHOUSE_COPIES} copies each",
        ),
        _needed("Kafka: processor", _kafka_us(found), CORES, f"brokers of {CORES} cores"),
        _brokers_by_network(found),
    ]


def _needed(part: str, us: float, cores_a_unit: int, unit: str) -> Needed:
    cores = TARGET * us / 1e6
    return Needed(part, round(us, 1), cores, ceil(cores / BUSY / cores_a_unit), unit)


def _kafka_us(found: Measured) -> float:
    """Of the leaders: what each stage's writing and reading cost the broker; copies to followers come on top, and were not measured."""
    stages, each = _works(found), rates(found)
    own = _spent(found.run.ingest[0])["kafka"] + shared(found, 1).cpu_us["Kafka"]
    return own + sum(_spent(stages[name])["kafka"] * rate for name, rate in each.items())


def network(found: Measured) -> tuple[float, float, float]:
    """Bytes a touchpoint that Kafka takes in, hands to its followers, and hands to the stages."""
    kept = {topic: one.bytes for topic, one in found.run.kept.items() if topic in READERS}
    taken = float(sum(kept.values()))
    return taken, taken * (KAFKA_COPIES - 1), float(sum(size * READERS[topic] for topic, size in kept.items()))


def _brokers_by_network(found: Measured) -> Needed:
    moved = sum(network(found)) * TARGET
    return Needed("Kafka: network", 0.0, 0.0, ceil(moved / BUSY / NETWORK), f"brokers of {NETWORK * 8 / 1e9:g} Gbit/s")


def disk_a_day(found: Measured) -> list[tuple[str, int, int, float]]:
    """What keeps, bytes a touchpoint, copies, and terabytes a day with all copies."""
    kept = {what: one.bytes for what, one in found.run.kept.items() if what != "profile's store"}
    copies = {"loyalty's store": STORE_COPIES, "ClickHouse": CLICKHOUSE_COPIES}
    rows = {**kept, "profile's PostgreSQL": found.warm.bytes}
    copies["profile's PostgreSQL"] = STORE_COPIES
    return [(what, size, copy := copies.get(what, KAFKA_COPIES), size * copy * TARGET * DAY / 1e12) for what, size in rows.items()]


def limits(found: Measured) -> list[Limit]:
    """What breaks first, in that order, each with all of its cores in use."""
    stages, each, costs = _works(found), rates(found), costs_of(found)
    loyalty, projections = (_spent(stages[name]) for name in ("loyalty", "projections"))
    partitions = 4
    worker = costs.read + costs.decide + costs.write
    many = [
        Limit(
            "profile: one store whose writers take turns",
            1e6 / worker,
            "nothing is lost or doubled, and little decided for nothing; a second worker is there when the first one dies",
            "decide again only what another's commit touched (`repair` above)",
        ),
        Limit(
            "loyalty: the same",
            1e6 / (loyalty["loyalty"] * each["loyalty"]),
            "the same",
            "an account has one id, so accounts split over stores by it; a merge across stores is a message",
        ),
        Limit(
            f"projections: {partitions} partitions, the default",
            partitions * 1e6 / (projections["projections"] * each["projections"]),
            "workers share nothing but ClickHouse: as many as there are partitions",
            "more partitions from the start (`RAPPORT_KAFKA_PARTITIONS`)",
        ),
        Limit(
            "profile: the writers' turn of one PostgreSQL",
            1e6 / costs.write,
            "binary COPY; state every eight events",
            "identity split by identifier, a store for each part (`shards` above), and a link across parts taken in two steps",
        ),
        Limit(
            f"ClickHouse: one server of {CORES} cores",
            CORES * 1e6 / (projections["clickhouse"] * each["projections"]),
            "rows have the same keys whenever they are written, so any split by key is exact",
            "`Distributed` over shards by customer's anchor, `Replicated*` tables; the migrations do not make them yet",
        ),
        Limit(
            f"Kafka: one broker of {CORES} cores",
            CORES * 1e6 / _kafka_us(found),
            "partitions spread over brokers; nothing in a stage knows how many there are",
            "nothing",
        ),
    ]
    return sorted(many, key=lambda one: one.most)


def _works(found: Measured) -> dict[str, Work]:
    return {work.what: work for work in found.run.stages}


def _spent(work: Work) -> dict[str, float]:
    return {one.process: one.cpu_us for one in work.spent}


def main() -> None:
    from bench.scale_page import page

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measure", action="store_true")
    parser.add_argument("--to", type=Path, default=DOCS, help="folder of scale.json and scale.md")
    options = parser.parse_args()
    if options.measure:
        text = msgspec.json.format(
            msgspec.json.encode(measure("python -m bench.scale --measure", measured_in(options.to).before)), indent=1
        )
        (options.to / f"{NAME}.json").write_bytes(text + b"\n")
    (options.to / f"{NAME}.md").write_text(page(measured_in(options.to)), encoding="utf-8")


if __name__ == "__main__":
    main()
