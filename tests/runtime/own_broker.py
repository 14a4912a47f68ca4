"""A Kafka of one test's own, which dies by kill -9: leaving `running_kafka` waits long for clients that stay connected."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services.embedded.kafka import KafkaFiles, prepare
from services.embedded.kafka_readiness import broker_answers
from services.embedded.processes import LOOPBACK, launch, wait_until_ready


@contextmanager
def own_broker(data_dir: Path, port: int) -> Iterator[str]:
    """Yields host:port."""
    files = KafkaFiles(data_dir.absolute())
    process = launch(prepare(data_dir, port), files.output)
    try:
        wait_until_ready(process, lambda: broker_answers(port), "Kafka", files.log_folder / "kafka.log")
        yield f"{LOOPBACK}:{port}"
    finally:
        process.kill()
        process.wait()
