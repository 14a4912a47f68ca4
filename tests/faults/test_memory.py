"""Whether memory counts as flat is decided by what it grew while something was stopped, and the report shows its curve."""

from services.chaos.memory import MemoryCurves, sparkline


def curves(**megabytes: list[int]) -> MemoryCurves:
    return MemoryCurves(megabytes, (4, 10), 12)


def test_growth_is_what_the_window_ends_with_above_what_it_began_with_whatever_peaks_in_between() -> None:
    leaking, flat = [50, 50, 50, 90, 60, 60, 70, 70, 80, 80, 20, 20], [50, 50, 50, 50, 60, 60, 90, 60, 60, 60, 80, 99]
    found = curves(leaking=leaking, flat=flat)
    assert (found.growth("leaking"), found.growth("flat")) == (20, 0)


def test_while_a_process_is_away_it_has_no_memory_to_count() -> None:
    assert curves(killed=[50] * 4 + [0] * 3 + [40, 50, 60] + [60] * 2).growth("killed") == 20
    assert curves(gone=[50] * 4 + [0] * 8).growth("gone") == 0


def test_a_curve_is_drawn_from_zero_to_its_highest_with_the_window_below() -> None:
    assert list(curves(one=[4, 4, 4, 4, 8, 8, 8, 8, 0, 0, 1, 1]).drawn()) == ["one  ▅▅▅▅████  ▂▂  1 to 8 MB", "         └────┘ stopped"]
    assert len(sparkline(list(range(1, 500)))) == 60


def test_a_process_that_came_later_has_no_memory_before() -> None:
    found = MemoryCurves()
    found.take({})
    found.take({"nobody": 2**30})
    assert found.megabytes == {"nobody": [0, 0]}
