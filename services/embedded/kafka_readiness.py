"""Whether a Kafka broker serves requests, asked in Kafka's own protocol without a client library.

Sends a Metadata request (API key 3, version 1: https://kafka.apache.org/protocol#The_Messages_Metadata) for no topic.
A broker that is still starting accepts connections before it knows its cluster: only an answer that lists a broker
counts.
"""

import socket
import struct

from services.embedded.processes import LOOPBACK

# Header (API key 3, version 1, correlation id 1, no client id), then an empty array of topics.
_METADATA_REQUEST = struct.pack(">hhih", 3, 1, 1, -1) + struct.pack(">i", 0)


def broker_answers(port: int, timeout_s: float = 1.0) -> bool:
    """True once the broker on this loopback port lists itself as a member of its cluster."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout_s) as connection:
            connection.sendall(struct.pack(">i", len(_METADATA_REQUEST)) + _METADATA_REQUEST)
            with connection.makefile("rb") as answer:
                (length,) = struct.unpack(">i", answer.read(4))
                _correlation_id, brokers = struct.unpack(">ii", answer.read(length)[:8])
                return bool(brokers >= 1)
    except (OSError, struct.error):
        return False
