"""Failpoints: off they do nothing, on they do what they were told at the time they were told."""

import subprocess
import sys

import pytest

from services.runtime.failpoints import VARIABLE, failpoint, parsed

PASSES = (
    "from services.runtime.failpoints import failpoint\nfor n in range(5):\n failpoint('here'); failpoint('there'); print(n, flush=True)"
)


def passing(points: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", PASSES], env={VARIABLE: points}, capture_output=True, text=True, check=False)


def test_a_process_kills_itself_the_third_time_it_comes_to_the_point() -> None:
    done = passing("here:kill:3")
    assert (done.returncode, done.stdout) == (-9, "0\n1\n")


def test_a_point_fails_once_and_names_itself() -> None:
    done = passing("there:fail:1")
    assert done.returncode == 1
    assert "FailpointFailed: failpoint there" in done.stderr


def test_a_point_that_is_not_named_does_nothing() -> None:
    failpoint("here")
    assert passing("elsewhere:kill:1").stdout == "0\n1\n2\n3\n4\n"


@pytest.mark.parametrize("text", ["here", "here:explode:1", "here:kill:0", "here:kill:often"])
def test_a_typing_mistake_stops_the_process_instead_of_testing_nothing(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parsed(text)
