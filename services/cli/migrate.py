"""Creates what the services need before they start: topics, stores, tables. Safe to repeat, also side by side."""

import asyncio
from collections.abc import Mapping
from typing import Any

from services.cli.errors import CommandFailed
from services.cli.programs import HOPELESS
from services.cli.running_stack import settings_of_running_stack
from services.cli.screen import out
from services.runtime.settings import Settings


def migrate(part: str, arguments: Mapping[str, Any]) -> None:
    """``part``: topics, stores, tables, or all. CommandFailed with code HOPELESS: trying again will not
    help; what an engine that is away raises comes as it is."""
    settings = settings_of_running_stack(arguments)
    steps = {"topics": _topics, "stores": _stores, "tables": _tables}
    for name, step in steps.items():
        if part in ("all", name):
            out.print(f"{name}: {step(settings)}", soft_wrap=True)


def _hopeless(error: Exception) -> CommandFailed:
    return CommandFailed(str(error), code=HOPELESS)


def _topics(settings: Settings) -> str:
    from schemas.topics import TOPICS
    from services.runtime.kafka import TopicMismatch, TopicSpec, ensure_topics
    from services.runtime.stage_process import kafka_connection

    kafka = settings.kafka
    specs = [TopicSpec(t.name, 1 if t.partitions == 1 else kafka.partitions, kafka.replication, t.config()) for t in TOPICS]
    try:
        created = asyncio.run(ensure_topics(kafka_connection(kafka), specs))
    except TopicMismatch as error:
        raise _hopeless(error) from error
    return f"created {', '.join(created)}" if created else "all there"


def _stores(settings: Settings) -> str:
    from services.loyalty.app import PROCESS as LOYALTY
    from services.profile.app import PROCESS as PROFILE
    from services.runtime.stage_process import open_store

    for process in (PROFILE, LOYALTY):
        open_store(settings, process).close()
    return "profile and loyalty are ready"


def _tables(settings: Settings) -> str:
    from services.projections.migrating import MigrationChanged, TablesGone, migrate
    from services.runtime.warehouse import WarehouseRefused

    try:
        migrate(settings)
    except (MigrationChanged, WarehouseRefused) as error:
        raise _hopeless(error) from error
    except TablesGone as gone:
        return str(gone)  # the rebuild that mends it needs the stack
    return "up to date"
