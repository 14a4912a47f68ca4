"""``ingest``, ``profile``, ``loyalty``, ``projections``: one service in the foreground, as in production; and ``migrate``."""

from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Annotated, Any

import typer

from services.cli.options import DataDir, arguments

PANEL = "One service, as in production"


def add_to(app: typer.Typer) -> None:
    for command in (ingest, profile, loyalty, projections, migrate):
        app.command(rich_help_panel=PANEL)(command)


def ingest(data_dir: DataDir = None) -> None:
    """Run the HTTP door: POST /v1/touchpoints, Segment's calls, /docs, /healthz, /metrics.

    Example: `RAPPORT_KAFKA_BOOTSTRAP=kafka-1:9092 RAPPORT_INGEST_HOST=0.0.0.0 rapport ingest`
    """
    from services.ingest.app import run

    _in_the_foreground(run, arguments(data_dir))


def profile(data_dir: DataDir = None) -> None:
    """Run the profile stage: touchpoints in, customers out.

    Example: `RAPPORT_KAFKA_BOOTSTRAP=kafka-1:9092 RAPPORT_STORE_URL=postgresql://db/rapport rapport profile`
    """
    from services.profile.app import run

    _in_the_foreground(run, arguments(data_dir))


def loyalty(data_dir: DataDir = None) -> None:
    """Run the loyalty stage: customers' changes in, points and tiers out.

    Example: `RAPPORT_LOYALTY_PROGRAMME=programme.yaml rapport loyalty`
    """
    from services.loyalty.app import run

    _in_the_foreground(run, arguments(data_dir))


def projections(data_dir: DataDir = None) -> None:
    """Run the projections: all topics in, rows in ClickHouse out.

    Example: `RAPPORT_CLICKHOUSE_URL=clickhouse://rapport:secret@warehouse:9000 rapport projections`
    """
    from services.projections.app import run

    _in_the_foreground(run, arguments(data_dir))


class Part(StrEnum):
    """What can be migrated by itself."""

    all = "all"
    topics = "topics"
    stores = "stores"
    tables = "tables"


def migrate(
    part: Annotated[Part, typer.Argument(help="topics: Kafka; stores: profile's and loyalty's; tables: ClickHouse.")] = Part.all,
    data_dir: DataDir = None,
) -> None:
    """Create or bring up to date the Kafka topics, the event stores and ClickHouse's tables. Safe to repeat.

    Examples:

    - `rapport migrate`
    - `rapport migrate tables`
    """
    from services.cli.migrate import migrate as run

    run(part.value, arguments(data_dir))


def _in_the_foreground(run: Callable[[Any], Awaitable[int]], given: dict[str, Any]) -> None:
    """Leaves with the service's exit code."""
    import uvloop

    from services.cli.running_stack import settings_of_running_stack
    from services.runtime.logging import configure_logging

    settings = settings_of_running_stack(given)
    configure_logging(settings.log.level, settings.log.format == "json")
    raise typer.Exit(uvloop.run(_coroutine(run, settings)))


async def _coroutine(run: Callable[[Any], Awaitable[int]], settings: Any) -> int:
    return await run(settings)
