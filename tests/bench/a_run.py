"""A made-up run of the bench, in which everything was measured."""

from bench.latencies import latency, percentiles
from bench.machine import About
from bench.result import AboutPeer, Answered, Kept, PeerWork, Result, Shared, Work
from bench.usage import Spent

ABOUT = About(
    command="rapport bench --peers --out docs",
    began="2026-11-25 05:00 UTC",
    minutes=31.5,
    commit="0123456789",
    processor="a processor",
    cores=2,
    memory_gb=24,
    system="Linux 6.1",
    versions={"Python": "3.11.7", "Kafka": "4.1.1"},
    load_before=0.2,
    load_after=2.4,
)


def peer_work(peer: str, seconds: float, wrong: str = "") -> PeerWork:
    return PeerWork(peer, 100_000, seconds, [Spent(peer, 30.0, 150), Spent("kafka", 10.0, 250)], 250, wrong)


def shared(workers: int, seconds: float, decided: int, holders: str = "ab12", wrong: tuple[str, ...] = ()) -> Shared:
    spent = [Spent("workers", 40.0, 300), Spent("PostgreSQL", 11.0, 200), Spent("Kafka", 9.0, 200)]
    ended = {"applied": 50, "overtaken": 12, "stale": 3}
    return Shared("PostgreSQL", workers, 100_000, seconds, spent, ended, decided, {"for another writer": 0.25}, holders, list(wrong))


def a_run() -> Result:
    stage = Work("profile", 500_000, 25.0, [Spent("profile", 40.0, 300), Spent("kafka", 9.0, 200), Spent("clickhouse", 0.1, 250)])
    written = [Spent("projections", 20.0, 200), Spent("kafka", 1.0, 200), Spent("clickhouse", 8.0, 400)]
    projections = Work("projections", 600_000, 15.0, written, "56,000 rows a second")
    ingest = Work("ingest, batches of 100", 400_000, 10.0, [Spent("ingest", 22.0, 120), Spent("kafka", 6.0, 200)], "400 requests/s")
    path = Work("POST to row", 200_000, 20.0, [Spent("ingest", 20.0, 120), Spent("profile", 45.0, 310)], "batches of 100")
    return Result(
        about=ABOUT,
        traffic="500,000 touchpoints of 100,000 customers",
        stages=[stage, projections],
        kept={"touchpoints": Kept(1.0, 410), "ClickHouse": Kept(0.0, 90)},
        rebuilds=[Work("rebuild", 500_000, 50.0, [Spent("rebuild", 95.0, 800), Spent("kafka", 9.0, 200)], "in 50.0 s")],
        shared_job="100,000 touchpoints of 20,000 customers",
        shared=[shared(1, 5.0, 100_000), shared(2, 4.0, 125_000)],
        ingest=[ingest],
        end_to_end=[path],
        latencies=[latency("POST to row in ClickHouse", 2_000, [0.1] * 98 + [0.4, 1.25])],
        asked_of="10,000,000 touchpoints of 1,000,000 customers",
        answers=[Answered("How much did customers buy?", 5, percentiles([0.1, 0.2, 0.25, 0.3, 0.4]), 410.0)],
        simple_job="100,000 touchpoints of 20,000 customers, 3 rounds",
        peers=[
            AboutPeer("rapport", "Rapport, profile stage", "0.1.0", "exactly once", "SQLite"),
            AboutPeer("quix", "Quix Streams", "3.28.1", "at least once", "RocksDB"),
            AboutPeer("bytewax", "Bytewax", "0.21.1", "at least once", "SQLite", "no package for this Python"),
        ],
        peer_work=[
            peer_work("rapport", 4.0),
            peer_work("rapport", 5.0),
            peer_work("rapport", 2.0),
            peer_work("quix", 5.0),
            peer_work("quix", 0.1, "7 customers differ, such as C1"),
        ],
    )
