"""Runs rebuilds in the stack of a data directory, and shows what came out."""

import asyncio
import gc
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from services.cli.at_once import at_once
from services.cli.errors import CommandFailed
from services.cli.rebuild_view import show_store, show_tables
from services.cli.running_stack import settings_of_running_stack
from services.cli.screen import out
from services.cli.verify import shown_progress
from services.proof.profile_corrections import Contradicted
from services.proof.progress import Progress
from services.proof.published_profiles import HistoryBroken
from services.proof.rebuild import OldTablesKept, Rebuilt, RowsLost, beside, drop_old, rebuild_projections
from services.proof.store_rebuild import FactsLost, OldStoreKept, RebuiltStore, drop_old_store, rebuild_store
from services.runtime.clock import SystemClock
from services.runtime.error_words import in_words
from services.runtime.interpreter import tune_interpreter
from services.runtime.settings import Settings
from services.runtime.store_exchange import StillInUse

REMEDIES: Mapping[type[Exception], str] = {
    OldStoreKept: "`rapport rebuild --drop-old` drops it",
    OldTablesKept: "`rapport rebuild --drop-old` drops them",
    FactsLost: "find out why Kafka lost them; `--accept-loss` switches all the same",
    RowsLost: "find out why Kafka lost them; `--accept-loss` switches all the same",
    Contradicted: "`rapport config` shows what is in effect",
    HistoryBroken: "what was published cannot be gone on from: see docs/verify.md",
    StillInUse: "under `rapport up` kill that process: it is started again, sees its store, and waits for the rebuild",
}


def run(arguments: Mapping[str, Any], parts: Sequence[str], workers: int, switch: bool, accept_loss: bool, show_values: bool) -> int:
    """0 when all are done. Raises CommandFailed where a person must decide, or where something was away: then it may be run again."""
    settings = settings_of_running_stack(arguments)
    works = {part: partial(_rebuild, settings, part, workers, switch, accept_loss) for part in parts}
    with shown_progress() as says:
        ended = at_once(works, says) if len(works) > 1 else {part: work(says) for part, work in works.items()}
    for rebuilt in ended.values():
        if isinstance(rebuilt, RebuiltStore):
            show_store(rebuilt, show_values)
        elif isinstance(rebuilt, Rebuilt):
            show_tables(rebuilt, beside(settings.clickhouse.database), show_values)
    if failures := [failed for failed in ended.values() if isinstance(failed, CommandFailed)]:
        raise CommandFailed("; ".join(map(str, failures)), "; ".join(dict.fromkeys(failed.remedy for failed in failures)))
    return 0


def _rebuild(settings: Settings, part: str, workers: int, switch: bool, accept_loss: bool, says: Progress) -> RebuiltStore | Rebuilt:
    tune_interpreter()
    gc.disable()  # what it makes it needs to its end: every collection would walk all of that for nothing
    try:
        if part == "projections":
            return asyncio.run(rebuild_projections(settings, workers, says, switch=switch, accept_loss=accept_loss))
        return asyncio.run(rebuild_store(settings, part, SystemClock(), says, switch=switch, accept_loss=accept_loss))
    except Exception as error:
        detail = str(error) if type(error) in REMEDIES else in_words(error)
        again = f"what is live is as it was; `rapport rebuild {part}` goes on where this stopped, `rapport doctor` looks at what it needs"
        raise CommandFailed(f"{part}: {detail}", REMEDIES.get(type(error), again)) from error


def drop(arguments: Mapping[str, Any], parts: Sequence[str]) -> int:
    """0 when nothing is left beside what is live."""
    settings = settings_of_running_stack(arguments)
    for part in parts:
        try:
            drop_old(settings) if part == "projections" else drop_old_store(settings, part)
        except OldTablesKept as kept:
            raise CommandFailed(str(kept)) from kept
        out.print(f"{part}: nothing is left beside what is live")
    return 0
