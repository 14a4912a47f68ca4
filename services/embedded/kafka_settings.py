"""What one small, loopback-only Kafka node is told: broker settings, logging, the Java command line. Pure."""

from collections.abc import Sequence
from pathlib import Path

# The second compiler (C2) costs two seconds of a start and 30 MB, and earns them back only after millions of records.
FAST_START = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto")
HEAP = ("-Xms64m", "-Xmx256m", "-XX:MaxDirectMemorySize=64m", "-Xss512k")
QUIET = ("-Djava.awt.headless=true", "-Djdk.nio.maxCachedBufferSize=262144", "-XX:+ExitOnOutOfMemoryError")


def server_properties(log_dir: Path, port: int, controller_port: int) -> str:
    """A combined broker and controller, as `server.properties` text."""
    settings = {
        **_listeners(port, controller_port),
        **_one_node(),
        **_small_machine(),
        "log.dirs": str(log_dir),
        "auto.create.topics.enable": "false",
        # The truth is kept for ever unless a topic says otherwise.
        "log.retention.ms": "-1",
        "log.retention.bytes": "-1",
        "offsets.retention.minutes": str(60 * 24 * 365),
        # Touchpoints are limited to 1 MiB by ingest; batches of them may be larger.
        "message.max.bytes": str(8 * 1024 * 1024),
        "replica.fetch.max.bytes": str(8 * 1024 * 1024),
    }
    return "".join(f"{name}={_escaped(value)}\n" for name, value in settings.items())


def _listeners(port: int, controller_port: int) -> dict[str, str]:
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
        "controller.listener.names": "CONTROLLER",
        "controller.quorum.bootstrap.servers": f"127.0.0.1:{controller_port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "PLAINTEXT",
    }


def _one_node() -> dict[str, str]:
    return {
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "4",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "share.coordinator.state.topic.num.partitions": "1",
        "min.insync.replicas": "1",
        "default.replication.factor": "1",
        "group.initial.rebalance.delay.ms": "0",
        "group.min.session.timeout.ms": "1000",
        # A broker that was killed is let in again only when its former self has timed out.
        "broker.session.timeout.ms": "3000",
        "broker.heartbeat.interval.ms": "500",
    }


def _small_machine() -> dict[str, str]:
    return {
        "num.network.threads": "2",
        "num.io.threads": "4",
        "num.recovery.threads.per.data.dir": "2",
        "background.threads": "4",
        "log.cleaner.dedupe.buffer.size": str(24 * 1024 * 1024),
        "log.segment.bytes": str(256 * 1024 * 1024),
        "log.index.size.max.bytes": str(2 * 1024 * 1024),
        "queued.max.requests": "100",
    }


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\")


def log4j2_xml(log_folder: Path) -> str:
    """Five files of at most 10 MB. Without a configuration Kafka logs nothing at all."""
    return f"""<Configuration status="ERROR">
  <Appenders>
    <RollingFile name="File" fileName="{log_folder}/kafka.log" filePattern="{log_folder}/kafka.%i.log">
      <PatternLayout pattern="%d{{ISO8601}} %p %c{{1}}: %m%n"/>
      <Policies><SizeBasedTriggeringPolicy size="10 MB"/></Policies>
      <DefaultRolloverStrategy max="5"/>
    </RollingFile>
  </Appenders>
  <Loggers>
    <Logger name="org.apache.kafka.common.config.AbstractConfig" level="WARN"/>
    <Root level="INFO"><AppenderRef ref="File"/></Root>
  </Loggers>
</Configuration>
"""


def java_command(java: Path, jars: Sequence[Path], logging: Path, main_class: str, *arguments: str) -> list[str]:
    class_path = ":".join(str(jar) for jar in sorted(jars))
    log4j = f"-Dlog4j2.configurationFile={logging}"
    return [str(java), *FAST_START, *HEAP, *QUIET, log4j, "-cp", class_path, main_class, *arguments]
