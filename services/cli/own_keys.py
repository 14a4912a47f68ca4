"""The keys that this command line uses: made once, kept in the data directory where only their owner may read them."""

import os
from pathlib import Path

from services.ingest.write_keys import write_keys_of
from services.loyalty.redeem_keys import redeem_keys_of
from services.runtime.access_keys import AccessKeys

NAME = "rapport-cli"


def own_write_key(data_dir: Path) -> str:
    """The key that touchpoints are sent with; a new one where there is none yet, or it was revoked."""
    return _own(write_keys_of(data_dir), data_dir / "cli_write_key")


def own_redeem_key(data_dir: Path) -> str:
    """The key that points are spent with."""
    return _own(redeem_keys_of(data_dir), data_dir / "cli_redeem_key")


def _own(keys: AccessKeys, path: Path) -> str:
    kept = path.read_text(encoding="ascii").strip() if path.is_file() else ""
    if kept and keys.check(kept):
        return kept
    made = keys.create(NAME)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(made)
    return made
