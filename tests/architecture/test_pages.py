"""Pages say what there is: commands that exist, files that exist."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from services.cli.main import app
from services.runtime.configuration import origins

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "deploy").glob("*.md")])
COMMAND = re.compile(r"(?:`|^\s*|\$ )(?:\./)?rapport ([a-z][a-z -]*)", re.MULTILINE)
LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)(?:#[^)]*)?\)")
VARIABLE = re.compile(r"\bRAPPORT_[A-Z_]+\b")


def _commands() -> set[str]:
    names: set[str] = set()
    for name, command in getattr(typer.main.get_command(app), "commands").items():  # noqa: B009 (its class is typer's own affair)
        names.add(name)
        names.update(f"{name} {sub}" for sub in getattr(command, "commands", {}))
    return names | {"test"}


def _named(text: str) -> Iterator[str]:
    for said in COMMAND.findall(text):
        yield said.strip()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_a_page_names_exists(page: Path) -> None:
    known = _commands()
    for said in _named(page.read_text(encoding="utf-8")):
        first, *more = said.split()
        assert first in known, f"{page.name} names `rapport {said}`"
        subcommands = {name.split()[1] for name in known if name.startswith(f"{first} ")}
        if subcommands and more:
            assert more[0] in subcommands, f"{page.name} names `rapport {said}`"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_a_page_links_to_exists(page: Path) -> None:
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_setting_that_a_page_names_exists(page: Path) -> None:
    known = {origin.variable for origin in origins()} | {"RAPPORT_CONFIG", "RAPPORT_PYTHON"}
    for name in VARIABLE.findall(page.read_text(encoding="utf-8")):
        assert name in known or any(other.startswith(name) for other in known if name.endswith("_")), f"{page.name} names {name}"
