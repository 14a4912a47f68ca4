"""The compose file is one, and what it runs and sets exists."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import typer
import yaml

from services.cli.main import app
from services.runtime.configuration import origins

ROOT = Path(__file__).parents[2]
FILE = ROOT / "deploy" / "compose.yaml"
SECRETS = {"POSTGRES_PASSWORD": "p", "CLICKHOUSE_PASSWORD": "c", "RAPPORT_IDENTITY_KEY": "k"}


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load(FILE.read_text(encoding="utf-8"))["services"]
    return found


def _has_compose() -> bool:
    docker = shutil.which("docker")
    return docker is not None and subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode == 0


def _faults(file: Path) -> str:
    """By Docker Compose itself where there is one, else by the compose specification's JSON Schema."""
    if _has_compose():
        command = ["docker", "compose", "-f", str(file), "config", "--quiet"]
        return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **SECRETS}).stderr
    package = importlib.util.find_spec("check_jsonschema")  # which ships the schema; its own command wants a newer click
    assert package
    assert package.submodule_search_locations
    vendored = Path(package.submodule_search_locations[0]) / "builtin_schemas" / "vendor" / "compose-spec.json"
    validator = jsonschema.Draft202012Validator(json.loads(vendored.read_text(encoding="utf-8")))
    return "\n".join(error.message for error in validator.iter_errors(yaml.safe_load(file.read_text(encoding="utf-8"))))


def test_the_compose_file_is_valid() -> None:
    assert _faults(FILE) == ""


def test_the_check_of_compose_files_sees_a_mistake(tmp_path: Path) -> None:
    spoilt = tmp_path / "compose.yaml"
    spoilt.write_text(FILE.read_text(encoding="utf-8").replace("  postgres-data:", "  postgres-data: 7", 1), encoding="utf-8")
    assert _faults(spoilt)


def test_every_service_of_rapport_runs_a_command_that_exists(services: dict[str, dict[str, Any]]) -> None:
    commands = set(getattr(typer.main.get_command(app), "commands"))  # noqa: B009 (its class is typer's own affair)
    ours = {name: service["command"] for name, service in services.items() if service["image"].startswith("rapport")}
    assert set(ours) == {"migrate", "ingest", "profile", "loyalty", "projections"}
    assert {command[0] for command in ours.values()} <= commands


def test_every_setting_and_mounted_file_exists(services: dict[str, dict[str, Any]]) -> None:
    known = {origin.variable for origin in origins()}
    for service in services.values():
        assert {name for name in service.get("environment", {}) if name.startswith("RAPPORT_")} <= known
        for volume in service.get("volumes", []):
            if volume.startswith("."):
                assert (FILE.parent / volume.split(":")[0]).exists()


def test_nothing_but_the_doors_and_clickhouse_is_reachable_and_only_from_this_host(services: dict[str, dict[str, Any]]) -> None:
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert set(published) == {"ingest", "loyalty", "clickhouse"}
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)


def test_every_secret_must_be_chosen() -> None:
    asked = set(re.findall(r"\$\{([A-Z_]+):\?", FILE.read_text(encoding="utf-8")))
    assert asked == set(SECRETS)
    assert set(re.findall(r"^([A-Z_]+)=$", (ROOT / "deploy" / ".env.example").read_text(encoding="utf-8"), re.MULTILINE)) == asked


def test_the_image_copies_what_exists() -> None:
    dockerfile = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")
    copied = re.findall(r"^COPY (\S+) ", dockerfile, re.MULTILINE)
    assert {"requirements.txt", "schemas", "services"} <= set(copied)
    assert all((ROOT / path).exists() for path in copied)
