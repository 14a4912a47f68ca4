"""``docs/tables.md`` and ``docs/questions.md``, written from what ClickHouse itself says.

    python -m services.projections.pages tables       any migrated ClickHouse
    python -m services.projections.pages questions    one that has the demo's data

``--check`` writes nothing and exits with 1 where a page says something else.
"""

import argparse
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from services.runtime.settings import Settings
from services.runtime.warehouse import Warehouse

WRITTEN = "<!-- Written by `python -m services.projections.pages {page}`; {how}. -->\n"
NOBODY = "00000000-0000-0000-0000-000000000000"
_HEADING = re.compile(r"^-- # ", re.MULTILINE)
_NOTE = re.compile(r"^-- ?(.*)$")


@dataclass(frozen=True, slots=True)
class Question:
    """One analyst's question: what is asked, what to know about it, and the query."""

    title: str
    note: str
    query: str


def questions_in(text: str) -> list[Question]:
    """The questions of ``docs/questions.sql``: each begins with ``-- # `` and ends with ``;``."""
    return [_question(part) for part in _HEADING.split(text)[1:]]


def _question(part: str) -> Question:
    title, *lines = part.strip().splitlines()
    notes = [match[1] for line in lines if (match := _NOTE.match(line))]
    query = "\n".join(line for line in lines if not _NOTE.match(line))
    return Question(title.strip(), " ".join(notes), query.strip().rstrip(";"))


def questions_page(warehouse: Warehouse, questions: Sequence[Question]) -> str:
    """Each question with its query and the warehouse's answer."""
    parts = [
        WRITTEN.format(page="questions", how="questions and queries are in questions.sql, answers come from the demo's data"),
        "# Ten questions, answered\n",
        'What `./rapport demo` leaves in ClickHouse, asked as an analyst asks. Run any of them with `rapport sql "…"`, with a BI tool, or',
        "over HTTP; what else there is to ask is in [tables.md](tables.md), and in `SELECT * FROM rapport.readme`.\n",
    ]
    for number, question in enumerate(questions, 1):
        answer = warehouse.ask(question.query)
        parts += [f"## {number}. {question.title}\n", *([question.note + "\n"] if question.note else [])]
        parts += [f"```sql\n{question.query}\n```\n", table(answer.columns, answer.rows) + "\n"]
    return "\n".join(parts)


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A Markdown table."""
    lines = [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    return "\n".join([*lines, *(f"| {' | '.join(map(_cell, row))} |" for row in rows)])


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return f"{value:,.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value).replace("|", "\\|")


def tables_page(warehouse: Warehouse, database: str = "rapport") -> str:
    """Every table and view with its columns, as ClickHouse's own comments describe them."""
    listed = warehouse.select(f"SELECT topic, name, what, example FROM {database}.readme")
    about = dict(warehouse.select("SELECT name, comment FROM system.tables WHERE database = %(db)s", {"db": database}))
    parts = [
        WRITTEN.format(page="tables", how="a test compares it with the migrations"),
        "# Tables and views\n",
        f"Database `{database}`. Exact at any moment: each touchpoint, purchase, ledger entry or customer is one row, however",
        "often its message came, and a row's customer is the one that holds its identifier now, merges and splits included. Times are UTC;",
        "money is a decimal in major units, with the exact minor units beside it. `DESCRIBE rapport.customers` shows the same comments.\n",
        "Read with the account `analyst`, which can change nothing. Ten worked questions: [questions.md](questions.md).\n",
        table(("name", "one row is"), [(f"[`{name}`](#{name})", what) for _, name, what, _ in listed]) + "\n",
    ]
    for _, name, _, example in listed:
        parts += [f"## {name}\n", about[name] + ".\n", table(("column", "type", "meaning"), _columns(warehouse, database, name)) + "\n"]
        parts += [f"```sql\n{example}\n```\n"]
    return "\n".join(parts)


def _columns(warehouse: Warehouse, database: str, name: str) -> list[tuple[str, str, str]]:
    found = warehouse.select(
        "SELECT name, type, comment FROM system.columns WHERE database = %(db)s AND table = %(name)s ORDER BY position",
        {"db": database, "name": name},
    )
    return [_described(*row) for row in found or _of_parameterised(warehouse, database, name)]


def _of_parameterised(warehouse: Warehouse, database: str, name: str) -> list[tuple[str, str, str]]:
    """ClickHouse knows columns of a view with a parameter only when it is called; they mean what they mean in ``touchpoints``."""
    meanings = {column: meaning for column, _, meaning in _columns(warehouse, database, "touchpoints")}
    called = warehouse.select(f"DESCRIBE {database}.{name}(customer = '{NOBODY}')")
    return [(column, kind, meanings.get(f"`{column}`", "")) for column, kind, *_ in called]


def _described(column: str, kind: str, meaning: str) -> tuple[str, str, str]:
    return f"`{column}`", f"`{kind}`", meaning


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", choices=("tables", "questions"))
    parser.add_argument("--docs", type=Path, default=Path("docs"))
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    settings = Settings()
    warehouse = Warehouse(settings.clickhouse.address)
    path: Path = options.docs / f"{options.page}.md"
    if options.page == "tables":
        page = tables_page(warehouse, settings.clickhouse.database)
    else:
        page = questions_page(warehouse, questions_in((options.docs / "questions.sql").read_text(encoding="utf-8")))
    if options.check:
        return 0 if path.is_file() and path.read_text(encoding="utf-8") == page else 1
    path.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
