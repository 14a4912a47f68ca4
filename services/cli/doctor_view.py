"""What the doctor found, as a table."""

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from services.cli.doctor import Finding

COLOURS = {"fine": "green", "idle": "dim", "wrong": "red"}


def table(findings: Sequence[Finding]) -> Table:
    made = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("what", "", "found", "what to do"):
        made.add_column(heading, overflow="fold")
    for finding in findings:
        made.add_row(finding.what, Text(finding.verdict, COLOURS[finding.verdict]), finding.found, finding.remedy)
    return made
