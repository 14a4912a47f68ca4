"""Where a user's programs keep their data, by the conventions of the operating system."""

import os
import sys
from pathlib import Path


def data_home() -> Path:
    """`$XDG_DATA_HOME`, else `~/Library/Application Support` on macOS, else `~/.local/share`."""
    named = os.environ.get("XDG_DATA_HOME")
    if named and Path(named).is_absolute():
        return Path(named)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support"
    return Path.home() / ".local" / "share"
