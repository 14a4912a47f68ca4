"""Several long pieces of work at once."""

import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import psutil

from services.cli.at_once import LATER, at_once
from services.cli.errors import CommandFailed
from services.proof.progress import Progress
from tests.embedded.waiting import until

LOWEST = 19


def doubled(number: int, says: Progress) -> int:
    says(f"doubling {number}", 1, 1)
    return number * 2


def refused(says: Progress) -> int:
    raise CommandFailed("a person must decide", "decide")


def niceness(says: Progress) -> int:
    return os.nice(0)


def killed(says: Progress) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


def waits_for_ever(started: Path, says: Progress) -> int:
    (started / str(os.getpid())).touch()
    while True:
        signal.pause()


def test_each_returns_what_it_made_and_tells_how_far_it_is() -> None:
    said: list[tuple[str, int, int]] = []
    ended = at_once({"one": partial(doubled, 1), "two": partial(doubled, 2)}, lambda *what: said.append(what))
    assert ended == {"one": 2, "two": 4}
    assert sorted(said) == [("doubling 1", 1, 1), ("doubling 2", 1, 1)]


def test_one_that_fails_or_is_killed_stops_none_of_the_others() -> None:
    ended = at_once({"refused": refused, "killed": killed, "done": partial(doubled, 3)}, lambda *_: None)
    assert ended["done"] == 6
    failed = ended["refused"]
    assert isinstance(failed, CommandFailed)
    assert (str(failed), failed.remedy, failed.code) == ("a person must decide", "decide", 1)
    assert str(ended["killed"]) == "killed: its process was killed"


def test_the_first_goes_before_the_others_where_cores_are_few() -> None:
    ended = at_once({"first": niceness, "second": niceness, "third": niceness}, lambda *_: None)
    later = min(os.nice(0) + LATER, LOWEST)
    assert ended == {"first": os.nice(0), "second": later, "third": later}


def test_none_of_them_outlives_whoever_started_them(tmp_path: Path) -> None:
    works = f"{{n: partial(waits_for_ever, Path({str(tmp_path)!r})) for n in 'ab'}}"
    imports = "from functools import partial; from pathlib import Path; from services.cli.at_once import at_once"
    code = f"{imports}; from tests.cli.test_at_once import waits_for_ever; at_once({works}, print)"
    parent = subprocess.Popen([sys.executable, "-c", code])
    until(lambda: len(list(tmp_path.iterdir())) == 2, "both have started")
    children = [psutil.Process(int(one.name)) for one in tmp_path.iterdir()]
    parent.kill()
    parent.wait()
    _, alive = psutil.wait_procs(children, timeout=30)
    assert alive == []
