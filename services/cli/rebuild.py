"""Runs a rebuild in the stack of a data directory, and shows what came out."""

import asyncio
from collections.abc import Mapping
from typing import Any

from services.cli.errors import CommandFailed
from services.cli.running_stack import settings_of_running_stack
from services.cli.screen import out
from services.cli.verify import shown_progress
from services.cli.verify_view import listed
from services.proof.rebuild import OldTablesKept, Rebuilt, RowsLost, beside, drop_old, rebuild_projections

DIFFERENCES = 20


def run(arguments: Mapping[str, Any], workers: int, switch: bool, accept_loss: bool, show_values: bool) -> int:
    """0 when it is done. Raises CommandFailed where a person must decide."""
    settings = settings_of_running_stack(arguments)
    try:
        with shown_progress() as says:
            rebuilt = asyncio.run(rebuild_projections(settings, workers, says, switch=switch, accept_loss=accept_loss))
    except OldTablesKept as kept:
        raise CommandFailed(str(kept), "`rapport rebuild --drop-old` drops them") from kept
    except RowsLost as lost:
        raise CommandFailed(str(lost), "find out why Kafka lost them; `--accept-loss` switches all the same") from lost
    _show(rebuilt, beside(settings.clickhouse.database), show_values)
    return 0


def drop(arguments: Mapping[str, Any]) -> int:
    """0 when nothing is left beside the live tables."""
    settings = settings_of_running_stack(arguments)
    try:
        drop_old(settings)
    except OldTablesKept as kept:
        raise CommandFailed(str(kept)) from kept
    out.print(f"nothing is left in {beside(settings.clickhouse.database)}")
    return 0


def _show(rebuilt: Rebuilt, beside_them: str, show_values: bool) -> None:
    rate = f" ({rebuilt.messages / rebuilt.seconds:,.0f} messages a second)" if rebuilt.seconds else ""
    out.print(f"{rebuilt.messages:,} messages, {rebuilt.touchpoints:,} touchpoints in {rebuilt.seconds:.1f} s{rate}")
    customers = set().union(*(one.unequal for one in rebuilt.changed))
    out.print(f"{len(customers):,} customers differed from the live tables" if customers else "equal to the live tables")
    if customers:
        found = [difference for one in rebuilt.changed for difference in one.differences]
        out.print(listed(found, DIFFERENCES, show_values))
    if rebuilt.switched:
        out.print(f"switched over; the former tables are kept in {beside_them}_store: `rapport rebuild --drop-old` drops them")
    else:
        out.print(f"not switched: the new tables are in {beside_them}; `rapport rebuild projections` switches over")
