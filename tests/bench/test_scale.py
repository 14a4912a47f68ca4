"""docs/scale.md: every figure of it follows from what was measured."""

from dataclasses import replace

import pytest

from bench.scale import DOCS, TARGET, Measured, costs_of, disk_a_day, limits, measured_in, needed, shared
from bench.scale_page import page


@pytest.fixture(scope="module")
def found() -> Measured:
    return measured_in(DOCS)


def test_the_page_is_what_the_measured_costs_say(found: Measured) -> None:
    assert (DOCS / "scale.md").read_text(encoding="utf-8") == page(found)


def test_the_page_stands_on_runs_that_lost_and_doubled_nothing(found: Measured) -> None:
    assert [(one.store, one.workers) for one in found.run.shared] == [
        ("SQLite", 1),
        ("PostgreSQL", 1),
        ("PostgreSQL", 2),
        ("PostgreSQL", 4),
    ]
    assert not any(one.wrong for one in found.run.shared)
    assert len({one.holders for one in found.run.shared}) == 1


def test_the_steps_of_a_worker_and_its_server_add_up_to_what_they_spent(found: Measured) -> None:
    dear = replace(found, warm=replace(found.warm, decide=1.0, commit=2.0))
    costs, alone = costs_of(dear), shared(dear, 1).cpu_us
    assert costs.read + costs.decide + costs.write == pytest.approx(alone["workers"] + alone["PostgreSQL"], abs=0.2)
    assert costs_of(replace(found, warm=replace(found.warm, decide=1e6))).read == 1.0


def test_every_unit_has_room_left_at_the_target(found: Measured) -> None:
    for one in needed(found):
        cores = 16 if "of 16 cores" in one.unit else 1
        assert one.cores <= 0.6 * cores * one.units, one.part


def test_twice_the_cost_takes_twice_the_stores_and_breaks_at_half_the_rate(found: Measured) -> None:
    dear = replace(found, warm=replace(found.warm, commit=2 * found.warm.commit))

    def of(which: Measured) -> tuple[int, float]:
        stores = next(one.units for one in needed(which) if one.unit == "stores")
        return stores, next(one.most for one in limits(which) if "writers' turn" in one.what)

    (stores, most), (more, less) = of(found), of(dear)
    assert more in (2 * stores - 1, 2 * stores)
    assert less == pytest.approx(most / 2)


def test_what_breaks_first_stands_first(found: Measured) -> None:
    order = [one.most for one in limits(found)]
    assert order == sorted(order)
    assert order[0] < TARGET


def test_a_day_of_disk_is_a_days_touchpoints_in_all_copies(found: Measured) -> None:
    what, size, copies, terabytes = disk_a_day(found)[0]
    assert (what, size, copies) == ("touchpoints", found.run.kept["touchpoints"].bytes, 3)
    assert terabytes == pytest.approx(size * 3 * 86_400 * TARGET / 1e12)
