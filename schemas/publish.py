"""`python -m schemas.publish` writes the JSON Schemas, the AsyncAPI document and the pages about events and topics anew."""

import json
from pathlib import Path
from typing import Any

from schemas import asyncapi, pages
from schemas.catalogue import FOLDER, entries
from schemas.json_schema import schema_of

DOCS = FOLDER.parent / "docs"


def documents() -> dict[Path, str]:
    """What each generated file must hold."""
    made = {entry.schema_file: _json(schema_of(entry)) for entry in entries()}
    made[FOLDER / "asyncapi.json"] = _json(asyncapi.document())
    made[DOCS / "events.md"] = pages.events_page()
    made[DOCS / "topics.md"] = pages.topics_page()
    return made


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    for path, text in documents().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
