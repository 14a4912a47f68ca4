"""What is installed is what is declared: the locks hold every dependency, each with its hashes, and the larger one holds the smaller."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
WANTED = {
    "requirements.txt": PROJECT["dependencies"],
    "requirements-dev.txt": PROJECT["dependencies"] + PROJECT["optional-dependencies"]["dev"],
}


def _locked(name: str) -> dict[str, str]:
    """Package and version."""
    return dict(re.findall(r"^([A-Za-z0-9_.-]+)==(\S+)", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE))


def _named(requirement: str) -> str:
    found = re.match(r"[A-Za-z0-9_.-]+", requirement)
    assert found
    return found[0].lower().replace("_", "-")


@pytest.mark.parametrize("lock", list(WANTED))
def test_every_declared_dependency_is_locked(lock: str) -> None:
    assert {_named(requirement) for requirement in WANTED[lock]} <= set(_locked(lock)), "see Dependencies in CONTRIBUTING.md"


@pytest.mark.parametrize("lock", list(WANTED))
def test_every_locked_package_has_a_hash_and_no_address(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    assert all("--hash=sha256:" in entry for entry in re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE) if entry.strip())
    assert "://" not in text


def test_developing_adds_packages_and_changes_none() -> None:
    assert _locked("requirements.txt").items() <= _locked("requirements-dev.txt").items()
