"""Everything that can be configured, by ``RAPPORT_*`` variables or a TOML file: one model, one place.

``RAPPORT_KAFKA_BOOTSTRAP=host:9092`` and ``[kafka] bootstrap = "host:9092"`` say the same; the variable wins. The file is
``rapport.toml`` in the working directory, or what ``RAPPORT_CONFIG`` names.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from platformdirs import user_data_path
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource


def begins_with(*schemes: str) -> Callable[[SecretStr | None], SecretStr | None]:
    """Refuses an address of another kind, without showing it."""

    def checked(url: SecretStr | None) -> SecretStr | None:
        if url is not None and not url.get_secret_value().startswith(schemes):
            raise ValueError(f"must begin with {' or '.join(schemes)}")
        return url

    return checked


class Section(BaseModel):
    """A group of settings; an unknown name is an error, so that a typing mistake is seen."""

    model_config = ConfigDict(extra="forbid")


class KafkaSettings(Section):
    """The log. Without ``bootstrap`` the embedded Kafka is used."""

    bootstrap: str | None = Field(None, description="host:port[,host:port…] of your Kafka; unset: the embedded one")
    port: int = Field(9092, ge=1, le=65535, description="port of the embedded Kafka, on 127.0.0.1")
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "PLAIN"
    username: str | None = None
    password: SecretStr | None = None
    ca_file: Path | None = Field(None, description="PEM file of the certificate authority")
    certificate_file: Path | None = Field(None, description="PEM file of this client's certificate")
    key_file: Path | None = Field(None, description="PEM file of this client's key")
    partitions: int = Field(4, ge=1, le=1000, description="of topics that `rapport migrate` creates")
    replication: int = Field(1, ge=1, le=9, description="copies of each partition of topics that `rapport migrate` creates")

    @property
    def servers(self) -> str:
        return self.bootstrap or f"127.0.0.1:{self.port}"


class ClickHouseSettings(Section):
    """The warehouse. Without ``url`` the embedded ClickHouse is used."""

    url: SecretStr | None = Field(None, description="clickhouse://user:password@host:9000 of your ClickHouse; unset: the embedded one")
    port: int = Field(9000, ge=1, le=65535, description="native port of the embedded ClickHouse, on 127.0.0.1")
    http_port: int = Field(8123, ge=1, le=65535, description="HTTP port of the embedded ClickHouse, on 127.0.0.1")
    _ = field_validator("url")(begins_with("clickhouse://", "clickhouses://"))
    database: str = Field("rapport", pattern=r"^[a-z][a-z0-9_]{0,40}$")

    @property
    def address(self) -> str:
        return self.url.get_secret_value() if self.url else f"clickhouse://default@127.0.0.1:{self.port}"


class StoreSettings(Section):
    """Where profile and loyalty keep their events. Without ``url``: SQLite, one file a service in the data directory."""

    url: SecretStr | None = Field(None, description="postgresql://user:password@host/database; unset: SQLite")
    page_cache_mb: int = Field(256, ge=1, le=100_000, description="of each SQLite file, kept in its stage's memory")
    _ = field_validator("url")(begins_with("postgresql://", "postgres://"))


class IngestSettings(Section):
    """The HTTP door."""

    host: str = "127.0.0.1"
    port: int = Field(8080, ge=1, le=65535)
    max_body_bytes: int = Field(5_000_000, ge=1_000, description="of one request, before and after decompression")
    max_batch: int = Field(5_000, ge=1, description="touchpoints in one request")
    max_pending_bytes: int = Field(64_000_000, ge=1_000_000, description="waiting for Kafka; past it requests are answered 429")
    min_log_disk_bytes: int = Field(
        1_000_000_000, ge=0, description="left on the fullest of Kafka's disks; with fewer, requests are answered 503; 0: never looked at"
    )


class StageSettings(Section):
    """How a stream processor batches."""

    max_records: int = Field(16_000, ge=1, le=100_000, description="records in one transaction, where that many wait")
    linger_ms: int = Field(50, ge=0, le=10_000, description="gather records for this long, while some come, before a transaction")
    snapshot_seconds: float = Field(1.0, ge=0, le=3600, description="a customer's snapshot is published at most this often")
    cache: int = Field(100_000, ge=100, description="customers (or accounts) kept in memory, up to twice as many")
    session_seconds: float = Field(
        10.0, ge=1, le=300, description="a worker that died without a word loses its partitions after so long; Kafka may set limits"
    )
    max_quarantine_share: float = Field(
        1.0, gt=0, le=1, description="a stage that would quarantine a larger share of its latest 1,000 messages stops; 1: never"
    )
    metrics_host: str = Field("127.0.0.1", description="address on which /metrics and /healthz are shown; they ask for no password")
    metrics_port: int = Field(0, ge=0, le=65535, description="of /metrics and /healthz; 0: the stage's own default")


class IdentitySettings(Section):
    """Who is who."""

    key: SecretStr = Field(
        SecretStr("rapport"), description="of the hash that makes customer ids; never change it on a living installation"
    )
    default_region: str = Field("US", pattern=r"^[A-Z]{2}$", description="region of telephone numbers without a country code")
    regions: dict[str, str] = Field({}, description="source → region, where it differs from the default")
    priority: list[str] = Field(
        ["customer_id", "loyalty_card", "email", "phone", "handle", "device", "anonymous_id"],
        description="types of identifiers, the strongest first; others come before anonymous_id, by name",
    )
    limits: dict[str, int] = Field({"customer_id": 1}, description="greatest number of values of a type that one customer may hold")
    partner_limit: int = Field(10, ge=1, description="a value linked to more higher-priority identifiers than this identifies nobody")
    blocked: list[str] = Field(
        [
            "test@test.com",
            "test@example.com",
            "noreply@example.com",
            "0000000000",
            "1111111111",
            "null",
            "none",
            "undefined",
            "anonymous",
            "unknown",
            "n/a",
            "0",
            "-",
        ],
        description="values that identify nobody, whatever their type",
    )


class LifecycleSettings(Section):
    """Days without a purchase after which a customer counts as at risk, and as lost."""

    new_days: int = Field(30, ge=1)
    at_risk_days: int = Field(90, ge=1)
    lost_days: int = Field(180, ge=1)


class LoyaltySettings(Section):
    """The programme, and the HTTP door for redemptions."""

    programme: Path | None = Field(None, description="YAML file of the programme; unset: the example programme")
    host: str = Field("127.0.0.1", description="address of the HTTP door for redemptions")
    port: int = Field(8085, ge=0, le=65535, description="of the HTTP door for redemptions; 0: none")


class LogSettings(Section):
    """What is logged."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["console", "json"] = "console"


class Settings(BaseSettings):
    """Rapport's configuration."""

    model_config = SettingsConfigDict(env_prefix="RAPPORT_", env_nested_delimiter="_", env_nested_max_split=1, extra="forbid")

    data_dir: Path = Field(
        default_factory=lambda: user_data_path("rapport") / "data", description="where the embedded stack and SQLite keep everything"
    )
    kafka: KafkaSettings = KafkaSettings()
    clickhouse: ClickHouseSettings = ClickHouseSettings()
    store: StoreSettings = StoreSettings()
    ingest: IngestSettings = IngestSettings()
    stage: StageSettings = StageSettings()
    identity: IdentitySettings = IdentitySettings()
    lifecycle: LifecycleSettings = LifecycleSettings()
    loyalty: LoyaltySettings = LoyaltySettings()
    log: LogSettings = LogSettings()

    @field_validator("data_dir")
    @classmethod
    def _is_no_file(cls, folder: Path) -> Path:
        there = next((path for path in (folder, *folder.parents) if path.exists()), folder)
        if there.is_file():
            raise ValueError(f"{there} is a file, not a directory")
        return folder

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments win over variables, variables over the file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, config_file())


def config_file() -> Path:
    """The TOML file that is read, if it is there."""
    return Path(os.environ.get("RAPPORT_CONFIG", "rapport.toml"))
