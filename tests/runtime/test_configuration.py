"""Settings say where they come from; a wrong one names itself and what is allowed; no secret is shown."""

from pathlib import Path

import pytest

from services.runtime.configuration import MASK, Origin, WrongSettings, environment_with, load, origins


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def found(name: str, **arguments: object) -> Origin:
    return next(origin for origin in origins(arguments) if origin.name == name)


def wrong(**arguments: object) -> str:
    with pytest.raises(WrongSettings) as raised:
        load(arguments)
    return str(raised.value)


def test_an_argument_wins_over_a_variable_and_a_variable_over_the_file(in_an_empty_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (found("kafka.port").shown, found("kafka.port").came_from) == ("9092", "default")
    (in_an_empty_folder / "rapport.toml").write_text("[kafka]\nport = 9192\n")
    assert (found("kafka.port").shown, found("kafka.port").came_from) == ("9192", "file rapport.toml")
    monkeypatch.setenv("RAPPORT_KAFKA_PORT", "9292")
    assert (found("kafka.port").shown, found("kafka.port").came_from) == ("9292", "variable RAPPORT_KAFKA_PORT")
    assert (found("kafka.port", kafka={"port": 9392}).shown, found("kafka.port", kafka={"port": 9392}).came_from) == ("9392", "argument")
    assert load({"kafka": {"port": 9392}}).kafka.port == 9392


def test_no_secret_is_ever_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = {
        "RAPPORT_KAFKA_PASSWORD": "s3cret-k",
        "RAPPORT_CLICKHOUSE_URL": "clickhouse://u:s3cret-c@h",
        "RAPPORT_STORE_URL": "postgresql://u:s3cret-s@h/d",
        "RAPPORT_IDENTITY_KEY": "s3cret-i",
    }
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    told = origins()
    assert {origin.shown for origin in told if origin.variable in secrets} == {MASK}
    assert "s3cret" not in repr(told)
    monkeypatch.setenv("RAPPORT_STORE_URL", '{"nested": "s3cret-n"}')
    monkeypatch.setenv("RAPPORT_KAFKA_PORT", "nonsense")
    assert "s3cret" not in wrong()


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("RAPPORT_KAFKA_PORT", "abc", "kafka.port = 'abc' (variable RAPPORT_KAFKA_PORT)"),
        ("RAPPORT_KAFKA_PORT", "70000", "at most 65535"),
        ("RAPPORT_LOG_LEVEL", "loud", "debug or info or warning or error"),
        ("RAPPORT_KAFKA_PRT", "1", "did you mean kafka.port?"),
        ("RAPPORT_KAFK_PORT", "1", "did you mean RAPPORT_KAFKA_PORT?"),
        ("RAPPORT_IDENTITY_BLOCKED", "not a list", "identity"),
        ("RAPPORT_IDENTITY_LIMITS", "5", 'RAPPORT_IDENTITY_LIMITS): Input should be a valid dictionary, such as {"'),
        ("RAPPORT_CLICKHOUSE_URL", "localhost:9000", "must begin with clickhouse:// or clickhouses://"),
        ("RAPPORT_CLICKHOUSE_URL", "http://localhost:8123", "must begin with clickhouse:// or clickhouses://"),
        ("RAPPORT_STORE_URL", "mysql://db/rapport", "must begin with postgresql:// or postgres://"),
        ("RAPPORT_DATA_DIR", "/etc/passwd", "data_dir = '/etc/passwd' (variable RAPPORT_DATA_DIR): /etc/passwd is a file"),
        ("RAPPORT_DATA_DIR", "/etc/passwd/below", "/etc/passwd is a file"),
        ("RAPPORT_CONFIG", "missing.toml", "missing.toml"),
    ],
)
def test_a_wrong_variable_names_itself_and_what_is_allowed(name: str, value: str, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    assert says in wrong()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[kafka\n", "rapport.toml is not TOML"),
        ("[kafka]\nport = 'x'\n", "kafka.port = 'x' (file rapport.toml)"),
        ("[kafka]\npart = 1\n", "did you mean kafka.port?"),
        ("colour = 'red'\n", "there is no such setting"),
        ("kafka = 1\n", "kafka (file rapport.toml): is a section: write [kafka] and its settings below"),
    ],
)
def test_a_wrong_file_is_told_where_and_why(text: str, says: str, in_an_empty_folder: Path) -> None:
    (in_an_empty_folder / "rapport.toml").write_text(text)
    assert says in wrong()


def test_every_wrong_setting_is_named_at_once(in_an_empty_folder: Path) -> None:
    (in_an_empty_folder / "rapport.toml").write_text("[kafka]\nport = 0\n[ingest]\nport = 0\n")
    assert "kafka.port" in wrong()
    assert "ingest.port" in wrong()


def test_a_program_that_is_started_gets_the_arguments_as_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = environment_with({"data_dir": "/somewhere", "clickhouse": {"http_port": 8223}})
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    settings = load()
    assert str(settings.data_dir) == "/somewhere"
    assert settings.clickhouse.http_port == 8223
