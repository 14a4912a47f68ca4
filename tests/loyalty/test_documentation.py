"""docs/loyalty.md says what the code does."""

import re
from pathlib import Path

import pytest

from services.loyalty import door, programme_file
from services.loyalty.statements import REASONS
from services.loyalty.yaml_section import Section
from services.runtime.commands import Commands
from services.runtime.settings import LoyaltySettings

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


def test_every_answer_of_the_door_is_explained_with_its_status() -> None:
    source = Path(door.__file__).read_text(encoding="utf-8")
    in_code = {(code, status) for status, code in re.findall(r'(?:_refused|Refusal)\(\s*(\d{3}), "(\w+)"', source)} - {
        ("disconnected", "499")
    }
    assert len(in_code) > 6
    assert set(re.findall(r"^\| `(\w+)` \| (\d{3}) \|", PAGE, re.MULTILINE)) == in_code
    assert f"{door.MAX_BODY_BYTES:,} bytes" in PAGE
    assert f"{Commands()._within:g} s" in PAGE


def test_every_setting_of_the_door_is_named_with_its_default() -> None:
    for name in ("host", "port"):
        assert f"| `RAPPORT_LOYALTY_{name.upper()}` | `{LoyaltySettings.model_fields[name].default}` |" in PAGE


def test_the_pages_redemption_is_one() -> None:
    [example] = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    assert door.Redemption.model_validate_json(example).points == 40
