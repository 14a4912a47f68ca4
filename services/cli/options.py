"""Options that several commands share, and the arguments they make for the configuration."""

from pathlib import Path
from typing import Annotated, Any

import typer

DataDir = Annotated[
    Path | None, typer.Option("--data-dir", help="Directory of the stack: Kafka, ClickHouse, stores, logs. [default: your data home]")
]
IngestPort = Annotated[int | None, typer.Option("--ingest-port", help="HTTP port of ingest. [default: 8080]")]
LoyaltyPort = Annotated[int | None, typer.Option("--loyalty-port", help="HTTP port of loyalty, for redemptions. [default: 8085]")]
KafkaPort = Annotated[int | None, typer.Option("--kafka-port", help="Port of the embedded Kafka. [default: 9092]")]
ClickHousePort = Annotated[int | None, typer.Option("--clickhouse-port", help="Native port of the embedded ClickHouse. [default: 9000]")]
ClickHouseHttpPort = Annotated[
    int | None, typer.Option("--clickhouse-http-port", help="HTTP port of the embedded ClickHouse. [default: 8123]")
]


def arguments(
    data_dir: Path | None = None,
    ingest_port: int | None = None,
    kafka_port: int | None = None,
    clickhouse_port: int | None = None,
    clickhouse_http_port: int | None = None,
    loyalty_port: int | None = None,
) -> dict[str, Any]:
    """Only what was given, so that the rest keeps coming from variables, file and defaults."""
    given: dict[str, Any] = {
        "data_dir": data_dir and data_dir.absolute(),
        "ingest": _only_given(port=ingest_port),
        "loyalty": _only_given(port=loyalty_port),
        "kafka": _only_given(port=kafka_port),
        "clickhouse": _only_given(port=clickhouse_port, http_port=clickhouse_http_port),
    }
    return {name: value for name, value in given.items() if value}


def _only_given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
