"""What a running stack looks like from outside: written by its supervisor to ``DATA_DIR/run/board.json``, read by every other command."""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

State = Literal["waiting", "starting", "running", "unwell", "backing off", "done", "stopping", "stopped"]
"""``unwell``: runs, but says that something is wrong. ``done``: a preparation that has ended well."""

Phase = Literal["preparing", "starting", "ready", "stopping", "stopped", "failed"]


@dataclass(slots=True)
class Line:
    """One program of the stack. Moments in epoch seconds; ``created`` tells a process from a later one with the same id.
    ``needs_help``: it ended for what does not go away by itself, such as a store that is gone."""

    name: str
    state: State = "waiting"
    pid: int | None = None
    created: float | None = None
    since: float = 0.0
    restarts: int = 0
    needs_help: bool = False
    address: str = ""
    note: str = ""
    log: str = ""


@dataclass(slots=True)
class Board:
    """The whole stack. ``done`` of ``total`` bytes tell how far the preparation is; ``settings`` are arguments that others need
    to reach it (ports, by section)."""

    pid: int
    created: float
    phase: Phase = "preparing"
    note: str = ""
    done: int = 0
    total: int = 0
    settings: dict[str, Any] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)

    @property
    def has_failed(self) -> bool:
        return self.phase == "failed"

    def line(self, name: str) -> Line | None:
        return next((line for line in self.lines if line.name == name), None)


def board_file(data_dir: Path) -> Path:
    return data_dir / "run" / "board.json"


def write(board: Board, path: Path) -> None:
    """Readers see the old board or the new one, never half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(asdict(board)), encoding="utf-8")
    os.replace(fresh, path)


def read(path: Path) -> Board | None:
    """The latest board, of a stack that runs or of one that ended. None: none was ever started here."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return Board(**{**told, "lines": [Line(**line) for line in told["lines"]]})
