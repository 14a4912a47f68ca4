"""The simulation of identity stores: what must hold of it whatever the costs are."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.contention import DESIGNS, Costs, Traffic, simulated

micros = st.floats(1.0, 100.0)
costs = st.builds(lambda read, decide, more, write: Costs(read, decide, decide + more, write), micros, micros, micros, micros)
traffics = st.builds(
    Traffic,
    customers=st.integers(50, 2_000),
    skew=st.floats(0, 1),
    stray=st.floats(0, 1),
    batch=st.integers(1, 60),
    batches=st.integers(1, 6),
    seed=st.integers(0, 9),
)
designs = st.sampled_from(sorted(DESIGNS))
COSTS = Costs(15.0, 50.0, 75.0, 30.0)


def alone(costs: Costs) -> float:
    return 1e6 / (costs.read + costs.decide + costs.write)


@settings(max_examples=60, deadline=None)
@given(design=designs, costs=costs, traffic=traffics)
def test_one_worker_throws_nothing_away_and_does_what_its_costs_allow(design: str, costs: Costs, traffic: Traffic) -> None:
    one = simulated(design, 1, costs, traffic)
    assert one.thrown_away == 0
    assert one.per_second == pytest.approx(alone(costs))


@settings(max_examples=60, deadline=None)
@given(design=designs, workers=st.integers(1, 8), costs=costs, traffic=traffics)
def test_so_many_workers_never_do_more_than_so_many_times_one(design: str, workers: int, costs: Costs, traffic: Traffic) -> None:
    many = simulated(design, workers, costs, traffic)
    assert many.per_second <= workers * alone(costs) * 1.0001
    assert 0 <= many.thrown_away < 1


@settings(max_examples=60, deadline=None)
@given(design=designs, workers=st.integers(1, 8), costs=costs, traffic=traffics)
def test_over_one_store_nobody_is_faster_than_its_one_writer_at_a_time(design: str, workers: int, costs: Costs, traffic: Traffic) -> None:
    if design != "shards":
        assert simulated(design, workers, costs, traffic).per_second <= 1e6 / costs.write * 1.0001


@settings(max_examples=30, deadline=None)
@given(design=st.sampled_from(["turns", "shards"]), workers=st.integers(1, 8), costs=costs, traffic=traffics)
def test_who_takes_turns_or_has_a_store_of_its_own_throws_nothing_away(design: str, workers: int, costs: Costs, traffic: Traffic) -> None:
    assert simulated(design, workers, costs, traffic).thrown_away == 0


def test_customers_who_never_stray_make_nobody_decide_again_where_only_rows_count() -> None:
    traffic = Traffic(customers=1_000, stray=0.0, batch=100)
    assert simulated("rows", 4, COSTS, traffic).thrown_away == 0
    assert simulated("head", 4, COSTS, traffic).thrown_away > 0.3


def test_deciding_again_only_what_another_touched_gets_more_through_than_deciding_all_again() -> None:
    traffic = Traffic(customers=10_000, stray=0.1, batch=500)
    head, rows, repair = (simulated(design, 4, COSTS, traffic).per_second for design in ("head", "rows", "repair"))
    assert repair > rows > head


def test_the_same_seed_gives_the_same_outcome_and_what_there_is_not_is_named() -> None:
    assert simulated("repair", 3, COSTS, Traffic(batch=50)) == simulated("repair", 3, COSTS, Traffic(batch=50))
    with pytest.raises(KeyError):
        simulated("magic", 1, COSTS, Traffic())
