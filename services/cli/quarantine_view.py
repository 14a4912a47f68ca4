"""Quarantine on the terminal."""

import json
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from services.projections.answers import Refused, RefusedWhole
from services.quarantine.redriving import SHOWN, Admitted, Outcome, StillRefused

LONGEST_VALUE = 60


def listed(reasons: Sequence[tuple[str, str, int]], latest: Sequence[Refused]) -> RenderableType:
    if not reasons:
        return Text("Nothing is in quarantine.")
    sums = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("stage", "reason", "inputs"):
        sums.add_column(heading, justify="right" if heading == "inputs" else "left")
    for stage, reason, count in reasons:
        sums.add_row(stage, reason, f"{count:,}")
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("id", "state", "reason", "event", "field", "what is wrong"):
        table.add_column(heading, overflow="fold")
    for refused in latest:
        table.add_row(*map(Text, (refused.quarantine_id, refused.state, refused.reason, refused.event_id, refused.path, refused.detail)))
    return Group(sums, Text(), table)


def whole(refused: RefusedWhole) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for field in fields(refused):
        value = getattr(refused, field.name)
        if value not in (None, "", [], ()):
            table.add_row(field.name, Text(str(value)))
    return table


def put_back(outcome: Outcome, dry_run: bool) -> RenderableType:
    """What became of them, or would."""
    if not outcome.shown:
        return Text("Nothing that waits fits.")
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("id", "event", "outcome", "change"):
        table.add_column(heading, overflow="fold")
    for one in outcome.shown:
        event = one.event_id if isinstance(one, Admitted) else ""
        table.add_row(one.quarantine_id, Text(event), Text(_outcome(one, dry_run)), Text("\n".join(map(_change, one.changes))))
    went = f"{outcome.done:,} would go back" if dry_run else f"{outcome.done:,} went back to the log, each with a decision"
    stay = f"{outcome.stayed:,} {'would ' if dry_run else ''}stay in quarantine" if outcome.stayed else "none stays"
    left = outcome.done + outcome.stayed - len(outcome.shown)
    more = f" (the first {SHOWN} are shown)" if left else ""
    return Group(table, Text(), Text(f"{went}, {stay}{more}."))


def _outcome(one: Admitted | StillRefused, dry_run: bool) -> str:
    if isinstance(one, Admitted):
        return "would be admitted" if dry_run else "redriven"
    return f"stays: {one.reason} at {one.path}: {one.detail}"


def _change(change: tuple[str, Any, Any]) -> str:
    path, before, after = change
    return f"{path}: {_value(before)} → {_value(after)}"


def _value(value: Any) -> str:
    text = "nothing" if value is ... else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"
