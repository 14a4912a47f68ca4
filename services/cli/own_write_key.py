"""The write key that this command line sends with: made once, kept in the data directory where only its owner may read it."""

import os
from pathlib import Path

from services.ingest.write_keys import write_keys_of

FILE_NAME = "cli_write_key"


def own_write_key(data_dir: Path) -> str:
    """The key; a new one where there is none yet, or it was revoked."""
    path = data_dir / FILE_NAME
    keys = write_keys_of(data_dir)
    kept = path.read_text(encoding="ascii").strip() if path.is_file() else ""
    if kept and keys.check(kept):
        return kept
    made = keys.create("rapport-cli")
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(made)
    return made
