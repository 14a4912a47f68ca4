"""``demo``: everything at once."""

from typing import Annotated

import typer

from services.cli.options import ClickHouseHttpPort, ClickHousePort, DataDir, IngestPort, KafkaPort, LoyaltyPort, arguments


def add_to(app: typer.Typer) -> None:
    app.command(rich_help_panel="The stack")(demo)


def demo(
    leave: Annotated[bool, typer.Option("--exit", help="Stop everything when the figures are shown.")] = False,
    data_dir: DataDir = None,
    ingest_port: IngestPort = None,
    kafka_port: KafkaPort = None,
    clickhouse_port: ClickHousePort = None,
    clickhouse_http_port: ClickHouseHttpPort = None,
    loyalty_port: LoyaltyPort = None,
) -> None:
    """Start everything, load 69,659 real purchases, real chats and a simulated world around them, and show what came out.

    It stays up until Ctrl-C. Running it again on the same data changes no figure. A stack that is up already is used.
    Leaves with 1 if the database answers other figures than were sent.

    Examples:

    - `rapport demo`
    - `rapport demo --exit --data-dir /tmp/rapport-demo`
    """
    from services.cli.demo import run_demo

    raise typer.Exit(run_demo(arguments(data_dir, ingest_port, kafka_port, clickhouse_port, clickhouse_http_port, loyalty_port), leave))
