"""docs/loyalty.md says what the code does."""

import re
from pathlib import Path

import pytest

from services.loyalty import programme_file
from services.loyalty.statements import REASONS
from services.loyalty.yaml_section import Section

PAGE = (Path(__file__).parents[2] / "docs" / "loyalty.md").read_text(encoding="utf-8")
WHOLE = """
programme: p
version: 1
earn: [{id: a, currency: EUR, points: 1}]
multipliers: [{id: b, factor: 2}]
bonuses: [{id: c, on: survey, points: 1}]
tiers: {by: spend, currency: EUR, levels: [{name: a, threshold: 0}]}
"""


def test_every_field_of_a_programme_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: set[str] = set()
    close = Section.close

    def noting(section: Section) -> None:
        asked.update(section._asked)
        close(section)

    monkeypatch.setattr(Section, "close", noting)
    programme_file.read(WHOLE.encode())
    explained = {word for code in re.findall(r"`([^`]+)`", PAGE) for word in re.split(r"[^a-z_]+", code)}
    assert asked > {"programme", "grace_days", "at_most_every_days", "sources", "from"}
    assert asked - explained == set()


def test_every_reason_of_refusal_is_explained_in_the_same_words() -> None:
    assert all(f"| `{reason}` | {words} |" in PAGE for reason, words in REASONS.items())
