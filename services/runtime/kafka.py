"""Kafka clients and topics, made from plain settings: where the brokers are, and how to prove who we are."""

import asyncio
import logging
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import faust
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code

RETRY_SECONDS = 0.1
log = logging.getLogger(__name__)
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


class Producer(AIOKafkaProducer):  # type: ignore[misc]
    """Goes on where aiokafka 0.14.0 would wait for ever: its client's metadata task, for which a write that is to be repeated waits,
    ends on any error that it does not know, such as the RuntimeError of uvloop when a connection is written to that just broke."""

    async def start(self) -> None:
        await super().start()
        self._watch_metadata()

    def _watch_metadata(self) -> None:
        self.client._sync_task.add_done_callback(self._metadata_ended)

    def _metadata_ended(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning("asking Kafka for metadata again: %r", error)
            asyncio.get_running_loop().call_later(RETRY_SECONDS, self._go_on)

    def _go_on(self) -> None:
        if self.client._sync_task is not None:  # else it was closed meanwhile
            self.client._sync_task = asyncio.create_task(self.client._md_synchronizer())
            self._watch_metadata()


def new_producer(connection: KafkaConnection, **settings: Any) -> AIOKafkaProducer:
    """Idempotent, acknowledged by all replicas. Call it in the running loop; start and stop it yourself."""
    return Producer(
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
