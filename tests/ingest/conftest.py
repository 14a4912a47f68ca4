"""One real Kafka and one real ingest for the tests of the HTTP door."""

import asyncio
from collections.abc import Iterator

import httpx
import pytest

from schemas.topics import QUARANTINE, TOUCHPOINTS
from services.embedded.kafka import running_kafka
from services.runtime.kafka import KafkaConnection, TopicSpec, ensure_topics
from tests.ingest.running_ingest import Ingest, answers, eventually, running_ingest


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_kafka(tmp_path_factory.mktemp("kafka")) as bootstrap:
        make_topics(bootstrap)
        yield bootstrap


@pytest.fixture(scope="session")
def ingest(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ingest]:
    with running_ingest(tmp_path_factory.mktemp("ingest"), kafka, max_body_bytes="1000000", max_batch="1000") as service:
        eventually(lambda: answers(service.client, "/readyz") == 200, "ingest did not become ready")
        yield service


@pytest.fixture
def http(ingest: Ingest) -> httpx.Client:
    return ingest.client


def make_topics(bootstrap: str) -> None:
    specs = [TopicSpec(topic.name, topic.partitions, 1, topic.config()) for topic in (TOUCHPOINTS, QUARANTINE)]
    asyncio.run(ensure_topics(KafkaConnection(bootstrap), specs))
