"""How much room the brokers' disks have left, as Kafka itself says since 3.3 (DescribeLogDirs version 4, KIP-827)."""

from typing import Any

from aiokafka.client import ConnectionGroup
from aiokafka.errors import IncompatibleBrokerVersion, NoError, for_code
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import CompactArray, CompactString, Int16, Int32, Int64, Schema, TaggedFields

NOT_SAID = -1


class RoomUnknown(Exception):
    """Raised where Kafka does not say: an older one, a provider's that keeps it to itself, or no right to DESCRIBE the cluster."""


class _DescribedLogDirs(Response):  # type: ignore[misc]
    API_KEY, API_VERSION = 35, 4
    _LOG_DIR = (
        ("error_code", Int16),
        ("log_dir", CompactString("utf-8")),
        ("topics", CompactArray(Int32)),  # none, as none is asked about
        ("total_bytes", Int64),
        ("usable_bytes", Int64),
        ("tags", TaggedFields),
    )
    SCHEMA = Schema(("throttle_time_ms", Int32), ("error_code", Int16), ("log_dirs", CompactArray(*_LOG_DIR)), ("tags", TaggedFields))


class _DescribeLogDirs(RequestStruct):  # type: ignore[misc]
    FLEXIBLE_VERSION = True
    API_KEY, API_VERSION = 35, 4
    RESPONSE_TYPE = _DescribedLogDirs
    SCHEMA = Schema(("topics", CompactArray(Int32)), ("tags", TaggedFields))


class _Question(Request[_DescribeLogDirs]):  # type: ignore[misc]
    API_KEY = 35

    def build(self, request_struct_class: type[_DescribeLogDirs]) -> _DescribeLogDirs:
        return request_struct_class([], {})


async def free_bytes(client: Any) -> int:
    """Of the fullest disk of any broker. ``client``: a connected AIOKafkaClient; it gets one more connection to each broker.

    Raises RoomUnknown, or what aiokafka raises when a broker does not answer.
    """
    found = [free for broker in client.cluster.brokers() for free in await _free_of(client, broker.nodeId)]
    if not found or NOT_SAID in found:
        raise RoomUnknown("Kafka does not say how much room its disks have")
    return min(found)


async def _free_of(client: Any, node: int) -> list[int]:
    try:
        answer = await client.send(node, _Question(), group=ConnectionGroup.COORDINATION)
    except (NotImplementedError, IncompatibleBrokerVersion) as older:
        raise RoomUnknown("Kafka says how much room its disks have since version 3.3; this one is older") from older
    if (error := for_code(answer.error_code)) is not NoError:
        raise RoomUnknown(f"Kafka does not say how much room its disks have ({error.__name__}): grant DESCRIBE of the cluster to ingest")
    return [usable for code, _, _, _, usable, _ in answer.log_dirs if code == 0]
