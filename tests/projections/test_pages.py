"""The pages for analysts say what is there."""

from pathlib import Path

import pytest

from services.projections.pages import Question, questions_in, questions_page, table, tables_page
from tests.projections.conftest import Analyst

DOCS = Path(__file__).parents[2] / "docs"
QUESTIONS = questions_in((DOCS / "questions.sql").read_text(encoding="utf-8"))
HOW = "run `python -m services.projections.pages {}` and look at the difference"


def test_the_page_of_tables_is_what_the_migrations_made(migrated: Analyst) -> None:
    assert (DOCS / "tables.md").read_text(encoding="utf-8") == tables_page(migrated.warehouse), HOW.format("tables")


def test_ten_questions_are_asked() -> None:
    assert len(QUESTIONS) == 10
    assert len({question.title for question in QUESTIONS}) == 10


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.title)
def test_every_question_can_be_asked(migrated: Analyst, question: Question) -> None:
    assert migrated.warehouse.ask(question.query).columns


def test_the_page_of_questions_has_every_query_as_it_is_with_an_answer_of_its_columns(migrated: Analyst) -> None:
    page = (DOCS / "questions.md").read_text(encoding="utf-8")
    sections = page.split("\n## ")[1:]

    assert len(sections) == len(QUESTIONS), HOW.format("questions")
    for number, (question, section) in enumerate(zip(QUESTIONS, sections, strict=True), 1):
        assert section.startswith(f"{number}. {question.title}\n")
        assert f"```sql\n{question.query}\n```" in section, HOW.format("questions")
        answer = section.rpartition("```\n")[2].strip().splitlines()
        assert answer[0] == table(migrated.warehouse.ask(question.query).columns, []).splitlines()[0]
        assert len(answer) > 2, f"{question.title}: no answer"


def test_a_page_shows_answers_as_a_person_reads_them(migrated: Analyst) -> None:
    page = questions_page(migrated.warehouse, [Question("How?", "Because.", "SELECT 1234567 AS many, 'a|b' AS text, NULL AS nothing")])

    assert "## 1. How?\n\nBecause.\n\n```sql\nSELECT" in page
    assert page.endswith("| many | text | nothing |\n|---|---|---|\n| 1,234,567 | a\\|b |  |\n")
