"""One real Kafka for all tests of the runtime."""

from collections.abc import Iterator

import pytest

from services.embedded.kafka import running_kafka


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_kafka(tmp_path_factory.mktemp("kafka")) as bootstrap:
        yield bootstrap
