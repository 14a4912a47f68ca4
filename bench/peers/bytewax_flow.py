"""The simple job on Bytewax: state in memory, snapshotted with the positions in Kafka to a SQLite recovery store; at least once.

python bytewax_flow.py BOOTSTRAP INPUT OUTPUT FOLDER
"""

import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import bytewax.operators as op
import orjson
import simple_job
from bytewax.connectors.kafka import KafkaSinkMessage, KafkaSource, KafkaSourceMessage
from bytewax.connectors.kafka import operators as kafka
from bytewax.dataflow import Dataflow
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.run import cli_main

Remembered = tuple[simple_job.Profile, set[str]]
SNAPSHOTS_EVERY = timedelta(seconds=10)
"""What `python -m bytewax.run` does unless it is told otherwise."""


def by_customer(message: KafkaSourceMessage[bytes, bytes]) -> tuple[str, Any]:
    simple_job.tell_begun()
    return message.key.decode(), orjson.loads(message.value)


def take_in(remembered: Remembered | None, touchpoint: dict[str, Any]) -> tuple[Remembered, list[bytes]]:
    profile, seen = remembered or (simple_job.new_profile(), set())
    if touchpoint["event_id"] in seen:
        return (profile, seen), []
    seen.add(touchpoint["event_id"])
    return (profile, seen), [orjson.dumps(simple_job.apply(profile, touchpoint))]


def as_message(keyed: tuple[str, bytes]) -> KafkaSinkMessage[bytes, bytes]:
    return KafkaSinkMessage(keyed[0].encode(), keyed[1])


def flow(bootstrap: str, source: str, target: str) -> Dataflow:
    dataflow = Dataflow("simple_job")
    touchpoints = op.input("touchpoints", dataflow, KafkaSource([bootstrap], [source]))
    customers = op.map("by_customer", touchpoints, by_customer)
    published = op.stateful_flat_map("take_in", customers, take_in)
    kafka.output("published", op.map("as_message", published, as_message), brokers=[bootstrap], topic=target)
    return dataflow


def main(bootstrap: str, source: str, target: str, folder: str) -> None:
    recovery = Path(folder) / "recovery"
    recovery.mkdir(parents=True)
    init_db_dir(recovery, 1)
    cli_main(flow(bootstrap, source, target), epoch_interval=SNAPSHOTS_EVERY, recovery_config=RecoveryConfig(recovery))


if __name__ == "__main__":
    main(*sys.argv[1:])
