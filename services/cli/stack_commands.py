"""``up``, ``down`` and ``status``."""

from typing import Annotated

import typer

from services.cli.options import ClickHouseHttpPort, ClickHousePort, DataDir, IngestPort, KafkaPort, LoyaltyPort, arguments


def add_to(app: typer.Typer) -> None:
    app.command(rich_help_panel="The stack")(up)
    app.command(rich_help_panel="The stack")(down)
    app.command(rich_help_panel="The stack")(status)


def up(
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Leave it running in the background; `rapport down` stops it.")] = False,
    data_dir: DataDir = None,
    ingest_port: IngestPort = None,
    kafka_port: KafkaPort = None,
    clickhouse_port: ClickHousePort = None,
    clickhouse_http_port: ClickHouseHttpPort = None,
    loyalty_port: LoyaltyPort = None,
) -> None:
    """Start Kafka, ClickHouse and the four services, and watch over them.

    Kafka or ClickHouse of your own take the place of the embedded ones when their address is configured
    (`RAPPORT_KAFKA_BOOTSTRAP`, `RAPPORT_CLICKHOUSE_URL`). Ctrl-C stops everything in order.

    Examples:

    - `rapport up`
    - `rapport up --detach --data-dir /srv/rapport`
    - `rapport up --data-dir other --ingest-port 8090 --kafka-port 9192 --clickhouse-port 9100 --clickhouse-http-port 8223
      --loyalty-port 8095`
    """
    from services.cli import background
    from services.cli.board_view import Follower
    from services.cli.screen import out
    from services.cli.up import run_up

    given = arguments(data_dir, ingest_port, kafka_port, clickhouse_port, clickhouse_http_port, loyalty_port)
    with Follower(out) as follower:
        if not detach:
            raise typer.Exit(run_up(given, follower.show))
        settings = background.start(given, follower.show)
    there = f" --data-dir {data_dir}" if data_dir else ""
    out.print(f"Rapport is up in {settings.data_dir}. `rapport status{there}` shows it, `rapport down{there}` stops it.", soft_wrap=True)


def down(data_dir: DataDir = None) -> None:
    """Stop the stack of a data directory, started in whatever terminal. Its data stays.

    Example: `rapport down --data-dir /srv/rapport`
    """
    from services.cli import background
    from services.cli.board_view import Follower
    from services.cli.screen import out
    from services.runtime.configuration import load

    settings = load(arguments(data_dir))
    with Follower(out) as follower:
        ran = background.stop(settings, follower.show)
    out.print("Stopped." if ran else f"Nothing was running in {settings.data_dir}.", soft_wrap=True)


def status(
    data_dir: DataDir = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Keep showing it until Ctrl-C.")] = False,
) -> None:
    """Show each program's health, what is not processed yet by partition, and events a second.

    Leaves with 0 if all is well, with 3 if something is not.

    Examples:

    - `rapport status`
    - `rapport status --watch`
    """
    from services.cli.status import show_status

    raise typer.Exit(show_status(arguments(data_dir), watch))
