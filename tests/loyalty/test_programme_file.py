"""The programme's file: read exactly, or refused with every line that is wrong."""

from pathlib import Path

import pytest

from services.loyalty import programme_file
from services.loyalty.programme_file import EXAMPLE, load, main, read
from services.loyalty.yaml_section import WrongProgramme

ROOT = Path(__file__).parents[2]
HEAD = "programme: p\nversion: 1\n"


def problems(text: str) -> list[str]:
    with pytest.raises(WrongProgramme) as wrong:
        read(text.encode(), "p.yaml")
    return str(wrong.value).split("\n")


def test_the_example_in_deploy_is_the_one_that_counts_where_none_is_configured() -> None:
    assert (ROOT / "deploy/loyalty.yaml").read_bytes() == EXAMPLE.read_bytes()
    assert load() == load(ROOT / "deploy/loyalty.yaml")


def test_every_problem_is_found_at_once_with_its_line() -> None:
    text = HEAD + "rounding: sideways\nearn:\n  - id: a\n    currency: eur\n    points: 0\n  - {id: a, currency: EUR, points: 1, form: x}\n"
    assert problems(text) == [
        "p.yaml, line 3: rounding must be down or half_up or up, not 'sideways'",
        "p.yaml, line 6: earn[0].currency must be an ISO 4217 code such as EUR, not 'eur'",
        "p.yaml, line 7: earn[0].points must be a number more than 0, up to 10000, not '0'",
        "p.yaml, line 8: earn[1].version 'a' version 1 is there already",
        "p.yaml, line 8: earn[1].form is not known; did you mean 'from'?",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "line 1: the file is empty"),
        ("a: [1", "line 1: the file is not YAML: expected ',' or ']', but got '<stream end>'"),
        ("- 1\n", "line 1: the file must be a mapping of names and values"),
        ("version: 1\n", "line 1: programme is missing"),
        (HEAD + "version: 2\n", "line 3: version is there twice, first in line 2"),
        ("programme: yes\nversion: 1\n", "line 1: programme must be a text: write it in quotes, 'yes'"),
        ("programme: 'a:b'\nversion: 1\n", "line 1: programme must be a printable text of 1 to 100 characters without a colon"),
        ("programme: p\nversion: 1.5\n", "line 2: version must be a whole number from 1 to 1000000, not '1.5'"),
        ("programme: p\nversion: [1]\n", "line 2: version must be a single value"),
        (HEAD + "lots: {expire_after_days: 0}\n", "line 3: lots.expire_after_days must be a whole number from 1 to 36500, not '0'"),
        (
            HEAD + "lots: {available_after_days: 9}\nearn: [{id: a, currency: EUR, points: 1, expire_after_days: 9}]\n",
            "line 4: earn[0].expire_after_days must be more than the 9 days after which points become available",
        ),
        (HEAD + "exclude: {tax: maybe}\n", "line 3: exclude.tax must be true or false, not 'maybe'"),
        (HEAD + "exclude:\n  categories: [a, 1]\n", "line 4: exclude.categories[1] must be a text: write it in quotes"),
        (HEAD + "exclude: {categories: a}\n", "line 3: exclude.categories must be a list"),
        (
            HEAD + "earn: [{id: a, currency: EUR, points: 1e3}]\n",
            "line 3: earn[0].points must be a number more than 0, up to 10000, not '1e3'",
        ),
        (
            HEAD + "earn: [{id: a, currency: EUR, points: 1, from: 2025-02-30}]\n",
            "line 3: earn[0].from must be a date such as 2026-01-31, not '2025-02-30'",
        ),
        (
            HEAD + "earn: [{id: a, currency: EUR, points: 1, from: 2025-02-02, until: 2025-02-02}]\n",
            "line 3: earn[0].until must be later than from",
        ),
        (
            HEAD + "earn: [{id: a, currency: EUR, points: 1}, {id: a, version: 2, currency: EUR, points: 1}]\n",
            "line 3: earn[1].id 'a' holds at the same time as version 1: end one where the next begins",
        ),
        (
            HEAD + "earn: [{id: tier-a, currency: EUR, points: 1}]\n",
            "line 3: earn[0].id must not begin with 'tier-', as what tiers add is named",
        ),
        (
            HEAD + "earn: [{id: a, currency: EUR, points: 1}]\nmultipliers: [{id: a, factor: 2}]\n",
            "line 4: multipliers has a rule 'a', and so has earn: give one another id",
        ),
        (HEAD + "multipliers: [{id: a, factor: 1}]\n", "line 3: multipliers[0].factor must be a number more than 1, up to 100, not '1'"),
        (
            HEAD + "bonuses: [{id: a, on: full moon, points: 1}]\n",
            "line 3: bonuses[0].on must be first_purchase or birthday or survey, not 'full moon'",
        ),
        (HEAD + "tiers: {levels: []}\n", "line 3: tiers.levels must not be empty"),
        (HEAD + "tiers: {by: points}\n", "line 3: tiers.levels is missing"),
        (HEAD + "tiers: {by: spend, levels: [{name: a, threshold: 0}]}\n", "line 3: tiers.currency is missing"),
        (
            HEAD + "tiers: {levels: [{name: a, threshold: 5}]}\n",
            "line 3: tiers.levels[0].threshold of the first level must be 0: every account has a tier",
        ),
        (
            HEAD + "tiers:\n  levels:\n  - {name: a, threshold: 0}\n  - {name: a, threshold: 0}\n",
            "line 6: tiers.levels[1].threshold must be more than the 0 of 'a'",
        ),
    ],
)
def test_a_wrong_file_says_where_and_what_is_allowed(text: str, problem: str) -> None:
    assert f"p.yaml, {problem}" in problems(text)


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(WrongProgramme, match="line 2: the file is not UTF-8"):
        read(b"programme: p\nversion: \xff\n")


def test_a_file_too_large_to_be_a_programme_is_refused() -> None:
    with pytest.raises(WrongProgramme, match="is larger than"):
        read(b"#" * (programme_file.MAX_BYTES + 1))


def test_layout_and_comments_are_not_the_programme() -> None:
    same = "# hello\nversion: 1\nprogramme: 'p'\nexclude: {categories: [b, a]}\n"
    other = HEAD + "exclude: {categories: [a, b]}\n"
    assert read(same.encode()).digest == read(other.encode()).digest
    assert read(other.encode()).digest != read(other.replace("a, b", "a").encode()).digest


def test_the_check_says_whether_a_file_is_right(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("programme: p\n")
    assert main([str(wrong)]) == 1
    assert "line 1: version is missing" in capsys.readouterr().err
    assert main([str(EXAMPLE)]) == 0
    assert "no problem found" in capsys.readouterr().out
    assert main([str(tmp_path / "none.yaml")]) == 1
