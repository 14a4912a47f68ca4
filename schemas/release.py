"""`python -m schemas.release` records the messages of the release that is being made, for all later ones to be compared with.

Done once a release, when `version` in pyproject.toml is the new one. Refuses where a message breaks what the last release promised.
"""

import json
import sys
import tomllib
from pathlib import Path
from typing import Any

from schemas.catalogue import FOLDER, entries
from schemas.compatibility import all_breaks
from schemas.json_schema import schema_of

RELEASED = FOLDER / "released"
_PROSE = ("title", "description")
Messages = dict[str, dict[str, Any]]


def present() -> Messages:
    """Name → JSON Schema of every message, as the models say it now."""
    return {entry.name: _without_prose(schema_of(entry)) for entry in entries()}


def last_release(folder: Path = RELEASED) -> tuple[str, Messages]:
    """Its version, and what was recorded of it."""
    file = max(folder.glob("*.json"), key=lambda path: tuple(map(int, path.stem.split("."))))
    return file.stem, json.loads(file.read_text(encoding="utf-8"))


def record(version: str, folder: Path = RELEASED) -> Path:
    """Writes the file of a release, one message a line. Raises ValueError for a version that is recorded, or not kept."""
    file = folder / f"{version}.json"
    if file.exists():
        raise ValueError(f"{version} is recorded: a released message never changes. Set the next version in pyproject.toml")
    messages = present()
    if wrong := all_breaks(last_release(folder)[1], messages) if any(folder.glob("*.json")) else []:
        raise ValueError("\n".join(["messages break what the last release promised:", *wrong]))
    lines = ",\n".join(
        f"{json.dumps(name)}:{json.dumps(schema, sort_keys=True, separators=(',', ':'))}" for name, schema in messages.items()
    )
    folder.mkdir(exist_ok=True)
    file.write_text("{\n" + lines + "\n}\n", encoding="utf-8")
    return file


def _without_prose(value: Any, named: bool = False) -> Any:
    """Without titles and descriptions; ``named``: the keys are names of fields."""
    if isinstance(value, dict):
        return {
            key: _without_prose(item, key in ("properties", "$defs") and not named)
            for key, item in value.items()
            if named or key not in _PROSE
        }
    return [_without_prose(item) for item in value] if isinstance(value, list) else value


def main() -> int:
    version = tomllib.loads((FOLDER.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    try:
        print(f"recorded {record(version)}")
    except ValueError as refused:
        print(refused, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
