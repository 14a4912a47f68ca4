"""What a verification found, for the terminal. Personal data only where it was asked for: ids derived from identifiers are none."""

import hashlib
from collections.abc import Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from services.proof.shown import Difference
from services.proof.verify import Report

LONGEST = 60
NAMED_BY_A_PERSON = frozenset({"identity"})
"""Tables whose keys are identifiers, such as a mail address."""


def summary(report: Report) -> RenderableType:
    """The verdict, and what was compared."""
    wrong = len(report.unequal)
    verdict = Text(f"{wrong:,} customers differ", "bold red") if wrong else Text("everything is equal", "bold green")
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("compared", "customers", "differ"):
        table.add_column(heading, justify="left" if heading == "compared" else "right")
    for one in report.compared:
        table.add_row(one.store, f"{one.customers:,}", Text(f"{len(one.unequal):,}", "red" if one.unequal else ""))
    folded = f"{report.touchpoints:,} touchpoints folded, {report.customers:,} customers compared in {report.seconds:.1f} s"
    apart = f"; {report.apart:,} changed meanwhile and were set apart" if report.apart else ""
    return Group(verdict, Text(folded + apart, "dim"), Text(), table)


def listed(found: Sequence[Difference], limit: int, show_values: bool) -> RenderableType:
    """The first of them, by store."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    headings = ["customer", "store", "table", "row", "field"] + (["expected", "found"] if show_values else ["what"])
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for one in found[:limit]:
        values = [_short(one.expected), _short(one.found)] if show_values else [_kind(one)]
        table.add_row(one.customer or "(nobody's)", one.store, one.table, _key(one, show_values), one.field, *values)
    more = f"{len(found) - limit:,} more: --limit shows them" if len(found) > limit else ""
    hidden = "" if show_values else "values are hidden: --show-values shows them"
    return Group(Text(), table, Text("; ".join(filter(None, (more, hidden))), "dim"))


def _kind(one: Difference) -> str:
    if one.field:
        return "differs"
    return "is missing" if one.found == "missing" else "should not be there"


def _key(one: Difference, show_values: bool) -> str:
    if show_values or one.table not in NAMED_BY_A_PERSON:
        return one.key
    return "#" + hashlib.blake2b(one.key.encode(), digest_size=6).hexdigest()


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
