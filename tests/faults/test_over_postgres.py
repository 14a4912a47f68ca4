"""The same where PostgreSQL holds the stages' stores: processes that die, workers side by side, and connections that break."""

from collections.abc import Iterator

import psycopg
import pytest

from services.chaos.catalogue import OVER_POSTGRES
from services.chaos.own_database import NoDatabase, own_database, place_of, through
from services.chaos.play import Scenario
from services.chaos.run import Bench, running_bench
from services.embedded.processes import free_port

EVENTS, SEED = 500, 1
PLAYED = ("kill-any", "zombie", "merge-race", "postgres-connections", "postgres-away")


@pytest.fixture(scope="module")
def bench(postgres_address: str) -> Iterator[Bench]:
    with running_bench(store_url=postgres_address) as bench:
        yield bench


@pytest.mark.parametrize("scenario", [one for one in OVER_POSTGRES if one.name in PLAYED], ids=lambda one: str(one.name))
def test_nothing_is_lost_and_nothing_counts_twice_over_postgresql_when(scenario: Scenario, bench: Bench) -> None:
    result = bench.play(scenario, EVENTS, SEED, full=False)

    assert not result.wrong, "\n".join([f"repeat it: {result.command}", *result.wrong])
    assert result.faults, "no fault was injected"
    assert result.figures["counted"] > 0
    assert not list(bench.stack.folder.glob("*.sqlite")), "a stage kept its store in a file"


def test_a_run_has_a_database_of_its_own_and_leaves_none_behind(postgres_address: str) -> None:
    def databases() -> set[str]:
        with psycopg.connect(postgres_address) as db:
            return {str(name) for (name,) in db.execute("SELECT datname FROM pg_database")}

    before = databases()
    with own_database(postgres_address) as address, psycopg.connect(address) as db:
        found = db.execute("SELECT current_database()").fetchone()
        assert found
        assert found[0] in databases() - before
    assert databases() == before


def test_a_server_that_cannot_be_reached_is_said_to_be() -> None:
    with pytest.raises(NoDatabase, match="connection"), own_database(f"postgresql://me@127.0.0.1:{free_port()}/one"):
        pass


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("postgresql://me@db.example/one", ("db.example", 5432)),
        ("postgresql://me@db.example:6000/one", ("db.example", 6000)),
        ("postgresql://me@/one?host=/run/pg", "/run/pg/.s.PGSQL.5432"),
    ],
)
def test_a_proxy_finds_the_server_wherever_it_listens(address: str, place: object) -> None:
    assert place_of(address) == place
    assert through(address, "127.0.0.1", 7000) == "postgresql://me:@127.0.0.1:7000/one"
