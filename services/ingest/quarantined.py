"""A rejected item as the message that the ``quarantine`` topic keeps."""

import hashlib
from collections.abc import Iterable
from typing import Any

import msgspec

from schemas.compiled import struct_of
from schemas.quarantine import Quarantined, kept
from services.ingest.admission import Admitted, Rejected

_Quarantined = struct_of(Quarantined)
_encode = msgspec.json.Encoder().encode


def messages_of(rejected: Iterable[Rejected], source: str, arrived_at: str) -> list[Admitted]:
    """The messages of a request's rejected items; equal ones once."""
    return list({message.key: message for message in (message_of(each, source, arrived_at) for each in rejected)}.values())


def message_of(rejected: Rejected, source: str, arrived_at: str) -> Admitted:
    """Its key and JSON. The same bytes of the same source have the same ``quarantine_id`` however often they come.

    An original that Kafka would not take is cut, and the detail says so: the answer told the sender, who has it.
    """
    original, encoding, detail = kept(rejected.raw, rejected.detail)
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
