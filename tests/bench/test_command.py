"""``rapport bench``: choosing what is measured, showing what is stored, saying what is missing."""

import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench.command import parts_of
from bench.result import stored
from services.cli.errors import CommandFailed
from services.cli.main import app
from tests.bench.a_run import a_run


@pytest.mark.parametrize(
    ("only", "peers", "parts"),
    [
        (None, False, ["profile", "loyalty", "projections", "rebuild", "workers", "ingest", "end-to-end", "questions"]),
        (None, True, ["profile", "loyalty", "projections", "rebuild", "workers", "ingest", "end-to-end", "questions", "peers"]),
        ("ingest,profile", False, ["profile", "ingest"]),
        ("peers", True, ["peers"]),
    ],
)
def test_parts_are_measured_in_their_order(only: str | None, peers: bool, parts: list[str]) -> None:
    assert parts_of(only, peers) == parts


@pytest.mark.parametrize("unknown", [["--only", "profile,speed"], ["--peer", "sparkling"], ["--from", "nowhere.json"]])
def test_what_there_is_not_is_named_with_a_remedy(unknown: list[str]) -> None:
    failed = CliRunner().invoke(app, ["bench", *unknown]).exception
    assert isinstance(failed, CommandFailed)
    assert unknown[1].split(",")[-1] in str(failed)
    assert "--help" in failed.remedy


def test_a_stored_run_is_shown_and_written_again_without_measuring(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_bytes(stored(a_run()))
    shown = CliRunner().invoke(app, ["bench", "--from", str(tmp_path / "run.json"), "--out", str(tmp_path / "again")])
    assert shown.exit_code == 0
    assert "Quix Streams" in shown.output
    assert (tmp_path / "again" / "performance.json").read_bytes() == stored(a_run())


@pytest.mark.parametrize(("package", "remedy"), [("hdrh", "requirements-dev.txt"), ("bench", "in a checkout")])
def test_without_its_packages_it_says_how_to_get_them(package: str, remedy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] in ("bench", package)]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    failed = CliRunner().invoke(app, ["bench", "--quick"]).exception
    assert isinstance(failed, CommandFailed)
    assert remedy in failed.remedy
