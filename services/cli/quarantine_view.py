"""Quarantine on the terminal."""

from collections.abc import Sequence
from dataclasses import fields

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from services.projections.answers import Refused, RefusedWhole


def listed(reasons: Sequence[tuple[str, str, int]], latest: Sequence[Refused]) -> RenderableType:
    if not reasons:
        return Text("Nothing is in quarantine.")
    sums = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("stage", "reason", "inputs"):
        sums.add_column(heading, justify="right" if heading == "inputs" else "left")
    for stage, reason, count in reasons:
        sums.add_row(stage, reason, f"{count:,}")
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("id", "reason", "event", "field", "what is wrong"):
        table.add_column(heading, overflow="fold")
    for refused in latest:
        table.add_row(*map(Text, (refused.quarantine_id, refused.reason, refused.event_id, refused.path, refused.detail)))
    return Group(sums, Text(), table)


def whole(refused: RefusedWhole) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for field in fields(refused):
        value = getattr(refused, field.name)
        if value not in (None, ""):
            table.add_row(field.name, Text(str(value)))
    return table
