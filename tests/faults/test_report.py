"""The report of a run adds up what every stack saw, also where a failure began another one; and traffic is cut into parts."""

from services.chaos.play import Result
from services.chaos.report import report
from services.chaos.traffic import in_parts


def result(counted: int, *wrong: str) -> Result:
    return Result("s", 1, "what", 1, True, 10, {"harm": 2}, list(wrong), 1.0, 2.0, {}, {"counted": counted} if counted else {})


def test_figures_are_those_of_all_stacks() -> None:
    said = report([result(5), result(7), result(0, "TimeoutError: no answer"), result(3), result(4)], "")
    assert "(counted 11, " in said
    assert "Scenarios 5, failed 1: s. Faults injected 10." in said


def test_traffic_is_cut_into_exactly_so_many_parts() -> None:
    assert [len(part) for part in in_parts(range(75), 50)].count(0) == 0
    assert [len(part) for part in in_parts(range(13), 6)] == [2, 2, 2, 2, 2, 3]
    assert [list(part) for part in in_parts(range(2), 3)] == [[], [0], [1]]
