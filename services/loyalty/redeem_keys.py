"""Keys with which points may be spent: never a write key, which may stand in a web page."""

from pathlib import Path

from services.runtime.access_keys import AccessKeys

FILE_NAME = "redeem_keys.json"


def redeem_keys_of(data_dir: Path) -> AccessKeys:
    """The keys of an installation."""
    return AccessKeys(data_dir / FILE_NAME)
