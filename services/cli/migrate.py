"""Creates what the services need before they start: topics, stores, tables. Safe to repeat, also side by side."""

import asyncio
from collections.abc import Mapping
from typing import Any

from services.cli.errors import CommandFailed
from services.cli.programs import HOPELESS
from services.cli.running_stack import settings_of_running_stack
from services.cli.screen import out
from services.runtime.error_words import in_words
from services.runtime.reachability import AWAY, postgres_version
from services.runtime.settings import Settings
from services.runtime.warehouse import WarehouseRefused


def migrate(part: str, arguments: Mapping[str, Any]) -> None:
    """``part``: topics, stores, tables, or all. CommandFailed with code HOPELESS: trying again will not help; with another: an engine
    is away."""
    settings = settings_of_running_stack(arguments)
    steps = {"topics": _topics, "stores": _stores, "tables": _tables}
    for name, step in steps.items():
        if part in ("all", name):
            try:
                out.print(f"{name}: {step(settings)}", soft_wrap=True)
            except AWAY as away:
                raise CommandFailed(f"{name}: {in_words(away)}; `rapport doctor` looks at what it needs") from away


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

    if settings.store.url:
        postgres_version(settings.store.url.get_secret_value())  # raises Unreached
    for process in (PROFILE, LOYALTY):
        open_store(settings, process).close()
    return "profile and loyalty are ready"


def _tables(settings: Settings) -> str:
    from services.projections.migrating import MigrationChanged, TablesGone, migrate

    try:
        migrate(settings)
    except (MigrationChanged, WarehouseRefused) as error:
        raise _hopeless(error) from error
    except TablesGone as gone:
        return str(gone)  # the rebuild that mends it needs the stack
    return "up to date"
