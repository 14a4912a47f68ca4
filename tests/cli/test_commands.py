"""Commands that need no stack, as a user types them."""

import stat
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from services.cli import main
from services.cli.errors import CommandFailed, explained
from services.cli.own_keys import own_redeem_key, own_write_key
from services.cli.screen import money
from services.embedded.processes import free_port
from services.ingest.write_keys import write_keys_of
from services.loyalty.redeem_keys import redeem_keys_of
from services.runtime.settings import Settings
from tests.flow.command import ROOT, rapport

runner = CliRunner()
COMMANDS = (
    *("up", "down", "status", "demo", "emit", "customer", "redeem", "sql", "quarantine", "doctor", "config", "keys"),
    *("ingest", "profile", "loyalty", "projections", "migrate"),
)


def test_help_names_every_command_with_examples() -> None:
    told = rapport("--help")
    assert told.code == 0
    for name in COMMANDS:
        assert f" {name} " in told.out
        assert name in ("keys", "quarantine") or "xample" in runner.invoke(main.app, [name, "--help"]).output


def test_help_imports_nothing_heavy() -> None:
    """So that it is there at once."""
    heavy = "{'aiokafka', 'faust', 'chdb', 'pydantic', 'rich.live', 'uvicorn', 'eventsourcing', 'clickhouse_driver'}"
    code = f"import sys, services.cli.main; sys.exit(', '.join({heavy} & set(sys.modules)) or 0)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_version_is_that_of_pyproject() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert rapport("--version").out == f"rapport {project['version']}\n"


def test_the_configuration_as_a_file_configures_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAPPORT_KAFKA_PARTITIONS", "12")
    monkeypatch.setenv("RAPPORT_KAFKA_PASSWORD", "s3cret")
    told = runner.invoke(main.app, ["config", "--toml"])
    assert "s3cret" not in told.output
    (tmp_path / "rapport.toml").write_text(told.output)
    monkeypatch.delenv("RAPPORT_KAFKA_PARTITIONS")
    assert Settings().kafka.partitions == 12
    every = told.output.replace("\n# ", "\n").replace('""', '"x"')
    assert tomllib.loads("\n".join(line for line in every.splitlines() if " = " in line or line.startswith("[")))


def test_a_write_key_is_shown_once_listed_by_its_id_and_revoked(tmp_path: Path) -> None:
    made = runner.invoke(main.app, ["keys", "create", "shop-berlin", "--data-dir", str(tmp_path)])
    key = made.output.splitlines()[0]
    assert write_keys_of(tmp_path).check(key)
    listed = runner.invoke(main.app, ["keys", "list", "--data-dir", str(tmp_path)])
    assert listed.exit_code == 0
    assert key not in (tmp_path / "write_keys.json").read_text()
    assert runner.invoke(main.app, ["keys", "revoke", "shop-berlin", "--data-dir", str(tmp_path)]).exit_code == 0
    assert write_keys_of(tmp_path).check(key) is None
    assert isinstance(runner.invoke(main.app, ["keys", "revoke", "shop-berlin", "--data-dir", str(tmp_path)]).exception, CommandFailed)


def test_a_key_for_redemptions_is_no_write_key_and_the_other_way_round(tmp_path: Path) -> None:
    folder = ["--data-dir", str(tmp_path)]
    key = runner.invoke(main.app, ["keys", "create", "till", "--for", "redemptions", *folder]).output.splitlines()[0]
    assert redeem_keys_of(tmp_path).check(key)
    assert write_keys_of(tmp_path).check(key) is None
    assert redeem_keys_of(tmp_path).check(own_write_key(tmp_path)) is None
    assert "till" in runner.invoke(main.app, ["keys", "list", "--for", "redemptions", *folder]).output
    assert runner.invoke(main.app, ["keys", "revoke", "till", "--for", "redemptions", *folder]).exit_code == 0
    assert redeem_keys_of(tmp_path).check(key) is None
    assert redeem_keys_of(tmp_path).check(own_redeem_key(tmp_path))


def test_the_command_lines_own_key_is_made_once_kept_private_and_renewed_when_revoked(tmp_path: Path) -> None:
    key = own_write_key(tmp_path)
    assert own_write_key(tmp_path) == key
    assert stat.S_IMODE((tmp_path / "cli_write_key").stat().st_mode) == 0o600
    write_keys_of(tmp_path).revoke("rapport-cli")
    assert own_write_key(tmp_path) != key


@pytest.mark.parametrize("command", [["status"], ["sql", "SELECT 1"], ["customer", "customer_id:1"], ["quarantine", "list"]])
def test_without_a_stack_the_remedy_is_named(command: list[str], tmp_path: Path) -> None:
    told = rapport(*command, "--data-dir", str(tmp_path))
    assert told.code == 1
    assert "no stack runs" in told.err
    assert "rapport up" in told.err
    assert "Traceback" not in told.err


def test_down_where_nothing_runs_says_so(tmp_path: Path) -> None:
    assert "Nothing was running" in rapport("down", "--data-dir", str(tmp_path)).out


def test_a_wrong_setting_stops_any_command_with_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAPPORT_KAFKA_PORT", "seventy")
    told = rapport("up", "--data-dir", str(tmp_path))
    assert told.code == 1
    assert "kafka.port = 'seventy'" in told.err
    assert "--all" not in told.err, "config has no such option"
    assert "Traceback" not in told.err


def test_a_data_directory_that_cannot_be_made_is_named() -> None:
    told = rapport("up", "--data-dir", "/proc/rapport")
    assert told.code == 1
    assert "/proc/rapport cannot be made" in told.err
    assert "--data-dir" in told.err
    assert "Traceback" not in told.err


@pytest.mark.parametrize("command", [["migrate", "topics"], ["migrate", "tables"], ["rebuild", "profile"], ["verify"]])
def test_an_engine_that_is_away_is_named_with_what_to_do(command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port = str(free_port())
    monkeypatch.setenv("RAPPORT_KAFKA_PORT", port)
    monkeypatch.setenv("RAPPORT_CLICKHOUSE_PORT", port)
    told = rapport(*command, "--data-dir", str(tmp_path))
    assert told.code in (1, 2)
    assert port in told.err
    assert "`rapport doctor`" in told.err
    for noise in ("Traceback", "Unclosed", "KafkaConnectionError: KafkaConnectionError"):
        assert noise not in told.err


def test_a_state_that_quarantine_does_not_know_is_refused() -> None:
    told = runner.invoke(main.app, ["quarantine", "list", "--state", "wating"])
    assert told.exit_code == 2
    assert "waiting" in told.output


def test_an_error_of_rapports_own_is_not_explained_away() -> None:
    assert explained(KeyError("x")) is None


def test_money_is_written_to_the_cent() -> None:
    assert money(250_031_563, "USD") == "2,500,315.63 USD"
    assert money(-5, "EUR") == "-0.05 EUR"
