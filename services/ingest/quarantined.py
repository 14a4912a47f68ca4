"""A rejected item as the message that the ``quarantine`` topic keeps."""

import base64
import hashlib
from collections.abc import Iterable
from typing import Any

import msgspec

from schemas.compiled import struct_of
from schemas.quarantine import Quarantined
from schemas.topics import QUARANTINE
from services.ingest.admission import Admitted, Rejected

MOST_BYTES = int(QUARANTINE.config()["max.message.bytes"]) - 64 * 1024
"""Of one message: what Kafka takes, less what surrounds the original."""

_Quarantined = struct_of(Quarantined)
_encode = msgspec.json.Encoder().encode


def messages_of(rejected: Iterable[Rejected], source: str, arrived_at: str) -> list[Admitted]:
    """The messages of a request's rejected items; equal ones once."""
    return list({message.key: message for message in (message_of(each, source, arrived_at) for each in rejected)}.values())


def message_of(rejected: Rejected, source: str, arrived_at: str) -> Admitted:
    """Its key and JSON. The same bytes of the same source have the same ``quarantine_id`` however often they come.

    An original that Kafka would not take is cut, and the detail says so: the answer told the sender, who has it.
    """
    original, encoding, detail = _kept(rejected.raw, rejected.detail)
    digest = hashlib.sha256(b"%b\0%b" % (source.encode(), rejected.raw)).hexdigest()
    identity = f"ingest:{digest[:32]}"
    return Admitted(identity.encode(), _encode(_message(identity, rejected, source, arrived_at, original, encoding, detail)))


def _message(identity: str, rejected: Rejected, source: str, arrived_at: str, original: str, encoding: str, detail: str) -> Any:
    return _Quarantined(
        quarantine_id=identity,
        stage="ingest",
        reason=rejected.reason,
        path=rejected.path,
        detail=detail,
        event_id=rejected.event_id,
        type=rejected.type,
        source=source,
        occurred_at=rejected.occurred_at,
        received_at=arrived_at,
        quarantined_at=arrived_at,
        original=original,
        encoding=encoding,
    )


def _kept(raw: bytes, detail: str) -> tuple[str, str, str]:
    """The original as text, its encoding, and the detail. Escaped in JSON a text may grow: past the limit base64 is used,
    and past that the beginning is kept."""
    try:
        text = raw.decode()
        if len(raw) <= MOST_BYTES // 6 or len(_encode(text)) <= MOST_BYTES:
            return text, "utf8", detail
    except UnicodeDecodeError:
        pass
    most = MOST_BYTES // 4 * 3
    if len(raw) > most:
        detail += f" (only the first {most} of {len(raw)} bytes are kept here)"
    return base64.b64encode(raw[:most]).decode(), "base64", detail
