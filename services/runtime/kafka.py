"""Kafka clients and topics, made from plain settings: where the brokers are, and how to prove who we are."""

import asyncio
import ssl
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import faust
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import KafkaConnectionError, TopicAlreadyExistsError, for_code

Protocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]


@dataclass(frozen=True, slots=True)
class KafkaConnection:
    """`bootstrap`: host:port, several separated by commas. Files are PEM."""

    bootstrap: str
    security_protocol: Protocol = "PLAINTEXT"
    sasl_mechanism: str = "PLAIN"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: str | None = None
    certificate_file: str | None = None
    key_file: str | None = None

    def tls(self) -> ssl.SSLContext | None:
        if not self.security_protocol.endswith("SSL"):
            return None
        context = ssl.create_default_context(cafile=self.ca_file)
        if self.certificate_file:
            context.load_cert_chain(self.certificate_file, self.key_file)
        return context

    def client_settings(self) -> dict[str, Any]:
        """For aiokafka's clients."""
        settings: dict[str, Any] = {"bootstrap_servers": self.bootstrap, "security_protocol": self.security_protocol}
        if context := self.tls():
            settings["ssl_context"] = context
        if self.security_protocol.startswith("SASL"):
            settings["sasl_mechanism"] = self.sasl_mechanism
            settings["sasl_plain_username"], settings["sasl_plain_password"] = self.username, self.password
        return settings

    def faust_settings(self) -> dict[str, Any]:
        """For a faust.App."""
        brokers = ";".join(f"kafka://{server.strip()}" for server in self.bootstrap.split(","))
        return {"broker": brokers, "broker_credentials": self._faust_credentials()}

    def _faust_credentials(self) -> Any:
        if self.security_protocol.startswith("SASL"):
            return faust.SASLCredentials(
                mechanism=self.sasl_mechanism, username=self.username, password=self.password, ssl_context=self.tls()
            )
        return faust.SSLCredentials(self.tls()) if self.security_protocol == "SSL" else None


def _saying_what_broke(write: Callable[..., Any]) -> Callable[..., Any]:
    """uvloop raises RuntimeError where something is written to a connection that just broke. aiokafka 0.14.0 knows OSError alone: it would
    end the task that asks for metadata, and a client would wait for ever, for its group's coordinator or to write again."""

    def written(connection: AIOKafkaConnection, *args: Any, **kwargs: Any) -> Any:
        try:
            return write(connection, *args, **kwargs)
        except RuntimeError as broken:
            connection.close(reason=CloseReason.CONNECTION_BROKEN)
            raise KafkaConnectionError(f"the connection to {connection.host}:{connection.port} broke") from broken

    return written


AIOKafkaConnection.send = _saying_what_broke(AIOKafkaConnection.send)
AIOKafkaConnection._send_sasl_token = _saying_what_broke(AIOKafkaConnection._send_sasl_token)


def new_producer(connection: KafkaConnection, **settings: Any) -> AIOKafkaProducer:
    """Idempotent, acknowledged by all replicas. Call it in the running loop; start and stop it yourself."""
    return AIOKafkaProducer(
        **connection.client_settings(),
        **{"acks": "all", "enable_idempotence": True, "max_batch_size": 1 << 19, "request_timeout_ms": 20_000, **settings},
    )


def new_consumer(connection: KafkaConnection, *topics: str, **settings: Any) -> AIOKafkaConsumer:
    """Reads committed records from the earliest on, and never commits an offset by itself."""
    ours = {"enable_auto_commit": False, "auto_offset_reset": "earliest", "isolation_level": "read_committed"}
    return AIOKafkaConsumer(*topics, **connection.client_settings(), **{**ours, **settings})


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """A topic that must exist. `config` holds Kafka's own names, such as cleanup.policy."""

    name: str
    partitions: int
    replication: int = 1
    config: Mapping[str, str] = field(default_factory=dict)


class TopicMismatch(Exception):
    """A topic exists with fewer partitions than asked for: adding some would move keys, so a person must decide."""


async def ensure_topics(connection: KafkaConnection, topics: Iterable[TopicSpec]) -> list[str]:
    """Creates those that are missing and returns their names; others keep their settings. Safe to run side by side.

    Raises TopicMismatch, or what Kafka answered. Returns once every topic has leaders."""
    admin = AIOKafkaAdminClient(**connection.client_settings())
    await admin.start()
    try:
        wanted = {topic.name: topic for topic in topics}
        created = await _create(admin, [topic for name, topic in wanted.items() if name not in await admin.list_topics()])
        await _settle(admin, wanted)
        return created
    finally:
        await admin.close()


async def _create(admin: AIOKafkaAdminClient, missing: list[TopicSpec]) -> list[str]:
    if not missing:
        return []
    answer = await admin.create_topics([NewTopic(t.name, t.partitions, t.replication, topic_configs=dict(t.config)) for t in missing])
    created = []
    for name, code, *message in answer.topic_errors:
        error = for_code(code)
        if code == 0:
            created.append(name)
        elif error is not TopicAlreadyExistsError:
            raise error(f"creating topic {name}: {message[0] if message else ''}")
    return created


async def _settle(admin: AIOKafkaAdminClient, wanted: Mapping[str, TopicSpec]) -> None:
    for _ in range(200):
        found = {topic["topic"]: topic for topic in await admin.describe_topics(list(wanted))}
        ready = {name for name, topic in found.items() if topic["partitions"] and _all_led(topic)}
        for name in ready:
            if len(found[name]["partitions"]) < wanted[name].partitions:
                raise TopicMismatch(f"topic {name} has {len(found[name]['partitions'])} partitions, not {wanted[name].partitions}")
        if ready >= wanted.keys():
            return
        await asyncio.sleep(0.05)
    raise TimeoutError(f"topics without a leader after 10 s: {sorted(wanted.keys() - ready)}")


def _all_led(topic: Mapping[str, Any]) -> bool:
    return all(partition["leader"] >= 0 and not partition["error_code"] for partition in topic["partitions"])
