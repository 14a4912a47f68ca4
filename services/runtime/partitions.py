"""Which partition a key goes to: as Kafka's own clients choose it, so that any client finds a key's messages."""

from functools import lru_cache
from struct import Struct

MASK = 0xFFFFFFFF
M = 0x5BD1E995
SEED = 0x9747B28C


@lru_cache(maxsize=64)
def _words(count: int) -> Struct:
    return Struct(f"<{count}I")


def murmur2(data: bytes) -> int:
    """The 32-bit hash of Kafka's Utils.murmur2 (org.apache.kafka.common.utils), its sign bit cleared."""
    length = len(data)
    h = SEED ^ length
    for k in _words(length >> 2).unpack_from(data):
        k = k * M & MASK
        h = (h * M & MASK) ^ ((k ^ k >> 24) * M & MASK)
    rest = length & 3
    if rest:
        h = ((h ^ int.from_bytes(data[-rest:], "little")) * M) & MASK
    h = (h ^ h >> 13) * M & MASK
    return (h ^ h >> 15) & 0x7FFFFFFF
