"""Schemas, examples and pages say what the code does: each is compared with it."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from schemas import publish
from schemas.catalogue import FOLDER, Entry, entries, published, touchpoints
from schemas.topics import TOPICS
from schemas.touchpoints import PAYLOADS


@pytest.mark.parametrize("path", sorted(publish.documents()), ids=lambda path: path.name)
def test_a_generated_file_is_what_the_models_say(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == publish.documents()[path], "run python -m schemas.publish"


def test_no_schema_of_a_message_that_is_gone_stays_behind() -> None:
    assert {path.name for path in (FOLDER / "json").iterdir()} == {entry.schema_file.name for entry in entries()}
    assert {path.name for path in (FOLDER / "examples").iterdir()} == {entry.example_file.name for entry in entries()}


def test_every_type_version_and_topic_is_described() -> None:
    assert [(entry.kind, entry.version) for entry in touchpoints()] == list(PAYLOADS)
    for topic in TOPICS[1:]:
        assert {entry.model for entry in published() if entry.topic is topic} == set(topic.messages)


@pytest.mark.parametrize("entry", entries(), ids=lambda entry: entry.name)
def test_every_example_fits_its_json_schema(entry: Entry) -> None:
    schema = json.loads(entry.schema_file.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(entry.example(), schema, cls=jsonschema.Draft202012Validator)


@pytest.mark.parametrize("entry", published(), ids=lambda entry: entry.name)
def test_every_example_is_exactly_its_model(entry: Entry) -> None:
    assert json.loads(entry.model.model_validate_json(entry.example_file.read_bytes()).model_dump_json()) == entry.example()


def test_every_reference_in_the_asyncapi_document_leads_somewhere() -> None:
    document = json.loads((FOLDER / "asyncapi.json").read_text(encoding="utf-8"))
    references = _references(document)
    assert len(references) > 50
    for reference in references:
        file, _, pointer = reference.partition("#")
        found: Any = json.loads((FOLDER / file).read_text(encoding="utf-8")) if file else document
        for part in pointer.strip("/").split("/") if pointer else ():
            found = found[part]
        assert found


def _references(value: Any) -> list[str]:
    if isinstance(value, dict):
        here = [value["$ref"]] if "$ref" in value else []
        return here + [reference for item in value.values() for reference in _references(item)]
    return [reference for item in value for reference in _references(item)] if isinstance(value, list) else []
