"""Write keys: who may send touchpoints, and as which source."""

from pathlib import Path

from services.runtime.access_keys import AccessKey as WriteKey
from services.runtime.access_keys import AccessKeys as WriteKeys
from services.runtime.access_keys import UnknownKey as UnknownWriteKey

__all__ = ["FILE_NAME", "UnknownWriteKey", "WriteKey", "WriteKeys", "write_keys_of"]
FILE_NAME = "write_keys.json"


def write_keys_of(data_dir: Path) -> WriteKeys:
    """The keys of an installation."""
    return WriteKeys(data_dir / FILE_NAME)
