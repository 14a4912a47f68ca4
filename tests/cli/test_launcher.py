"""The launcher: sets itself up once, then gets out of the way; says what is missing."""

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FAKE_PYTHON = """#!/bin/sh
case "$*" in
    *version_info*) exit 0 ;;
    "-m venv "*) mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; echo made >>"$3/../calls" ;;
    "-m pip "*) echo "pip $*" >>"$(dirname "$0")/../../calls"; exit "${PIP_EXIT:-0}" ;;
    *) echo "ran $*" ;;
esac
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "a checkout"
    folder.mkdir()
    for name in ("rapport", "requirements.txt", "requirements-dev.txt"):
        shutil.copy(ROOT / name, folder / name)
    fake = tmp_path / "bin" / "python3"
    fake.parent.mkdir()
    fake.write_text(FAKE_PYTHON)
    fake.chmod(0o755)
    return folder


def launch(checkout: Path, *arguments: str, path: str | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """With ``sh`` and ordinary tools, and as Python only a fake one that notes what it is asked."""
    search = path if path is not None else f"{checkout.parent / 'bin'}:/usr/bin:/bin"
    return subprocess.run(
        [str(checkout / "rapport"), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": search, **environment},
        cwd=checkout.parent,
    )


def calls(checkout: Path) -> list[str]:
    return (checkout / "calls").read_text().splitlines()


def test_it_sets_up_once_with_hashes_and_then_runs_the_program(checkout: Path) -> None:
    first = launch(checkout, "status", "a b")
    assert first.stdout == "ran -m services.cli status a b\n"
    assert "Setting up" in first.stderr
    second = launch(checkout, "status")
    assert (second.stdout, second.stderr) == ("ran -m services.cli status\n", "")
    assert [call.split()[0] for call in calls(checkout)] == ["made", "pip"]
    assert "--require-hashes" in calls(checkout)[1]


def test_it_installs_again_when_the_lock_changes(checkout: Path) -> None:
    launch(checkout, "status")
    with (checkout / "requirements.txt").open("a") as lock:
        lock.write("# changed\n")
    launch(checkout, "status")
    assert len([call for call in calls(checkout) if call.startswith("pip")]) == 2


def test_the_tests_need_more_packages_which_serve_the_program_too(checkout: Path) -> None:
    assert launch(checkout, "test", "-k", "x").stdout == "ran -m pytest -k x\n"
    launch(checkout, "status")
    pips = [call for call in calls(checkout) if call.startswith("pip")]
    assert len(pips) == 1
    assert "requirements-dev.txt" in pips[0]


def test_the_bench_sets_up_what_it_needs_besides(checkout: Path) -> None:
    assert launch(checkout, "bench", "--quick").stdout == "ran -m services.cli bench --quick\n"
    (installed,) = [call for call in calls(checkout) if call.startswith("pip")]
    assert "requirements-dev.txt" in installed


def test_an_installation_that_failed_is_said_and_tried_again(checkout: Path) -> None:
    failed = launch(checkout, "status", PIP_EXIT="1")
    assert failed.returncode == 1
    assert "could not be installed" in failed.stderr
    assert launch(checkout, "status").stdout == "ran -m services.cli status\n"


def test_a_lock_that_a_killed_launcher_left_behind_does_not_matter(checkout: Path) -> None:
    lock = checkout / ".venv" / "setup.lock"
    lock.mkdir(parents=True)
    gone = subprocess.Popen(["true"])
    gone.wait()
    (lock / "pid").write_text(str(gone.pid))
    assert launch(checkout, "status").stdout == "ran -m services.cli status\n"


def test_without_a_python_that_is_new_enough_the_remedy_is_named(checkout: Path, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("sh", "dirname", "readlink", "cksum", "mkdir", "cat", "rm", "sleep", "grep", "tail", "printf"):
        if found := shutil.which(name):
            (tools / name).symlink_to(found)
    told = launch(checkout, "status", path=str(tools))
    assert told.returncode == 1
    assert "no Python 3.11 or later" in told.stderr
    assert "RAPPORT_PYTHON" in told.stderr


def test_it_works_through_a_link_from_anywhere(checkout: Path, tmp_path: Path) -> None:
    link = tmp_path / "elsewhere" / "rapport"
    link.parent.mkdir()
    os.symlink(checkout / "rapport", link)
    search = f"{checkout.parent / 'bin'}:/usr/bin:/bin"
    done = subprocess.run([str(link), "status"], capture_output=True, text=True, check=False, env={"PATH": search}, cwd="/")
    assert done.stdout == "ran -m services.cli status\n"


def test_it_adds_less_than_a_tenth_of_a_second(checkout: Path) -> None:
    launch(checkout, "status")
    taken = []
    for _ in range(5):
        began = time.perf_counter()
        launch(checkout, "status")
        taken.append(time.perf_counter() - began)
    assert min(taken) < 0.1


@pytest.mark.parametrize("shell", [shell for shell in ("sh", "dash", "bash") if shutil.which(shell)])
def test_every_posix_shell_understands_it(shell: str) -> None:
    assert subprocess.run([shell, "-n", str(ROOT / "rapport")], check=False).returncode == 0
