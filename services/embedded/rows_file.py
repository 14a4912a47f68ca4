"""An INSERT's rows on their way into the engine: collected in a file, then inserted by one statement.

The engine's own way to push rows in pieces reports success when the insert has failed (a violated CONSTRAINT, a
materialized view that throws): nothing is written, and nobody is told. `INSERT ... FROM INFILE` tells. It also means
that an insert which its client breaks off leaves nothing behind, and that rows take no memory while they arrive.
"""

import os
import tempfile
from pathlib import Path
from typing import BinaryIO, cast

from services.embedded.insert_head import InsertHead
from services.embedded.sql_tokens import quoted


class RowsFile:
    """Owned by one insert; `remove` it whatever happens. Not flushed to disk: it need not outlive the process."""

    def __init__(self, folder: Path) -> None:
        number, name = tempfile.mkstemp(suffix=".rows", dir=folder)
        self._file = cast(BinaryIO, os.fdopen(number, "wb"))
        self._path = Path(name)

    def add(self, rows: bytes) -> None:
        self._file.write(rows)

    def statement(self, insert: InsertHead, rows_format: str) -> str:
        """The INSERT that takes these rows; no more can be added."""
        self._file.close()
        source = f"FROM INFILE {quoted(str(self._path))} COMPRESSION 'none'"
        return f"INSERT INTO {insert.target} {insert.columns} {source} {insert.settings} FORMAT {rows_format}"

    def remove(self) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)


def clear(folder: Path) -> None:
    """Makes the folder, and removes what a process that was killed has left in it."""
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob("*.rows"):
        left.unlink()
