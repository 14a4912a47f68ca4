"""What is printed, and what is not."""

import io
import json
import logging
import re
from collections.abc import Iterator

import msgspec
import pytest
import structlog
from aiokafka.errors import KafkaConnectionError

from services.runtime.error_words import in_words
from services.runtime.logging import StormFilter, configure_logging


@pytest.fixture
def output() -> Iterator[io.StringIO]:
    before = logging.root.handlers[:], logging.root.level
    yield io.StringIO()
    logging.root.handlers[:], logging.root.level = before
    structlog.reset_defaults()


def test_our_lines_and_the_libraries_are_json_of_one_shape(output: io.StringIO) -> None:
    # given
    configure_logging("info", json=True, stream=output)
    # when
    structlog.get_logger("rapport").info("started", port=8080)
    logging.getLogger("aiokafka").warning("no %s", "broker")
    # then
    ours, theirs = [json.loads(line) for line in output.getvalue().splitlines()]
    assert (ours["event"], ours["port"], ours["level"], ours["logger"]) == ("started", 8080, "info", "rapport")
    assert (theirs["event"], theirs["level"], theirs["logger"]) == ("no broker", "warning", "aiokafka")
    assert ours["timestamp"].endswith("Z")


@pytest.mark.parametrize("json_lines", [True, False])
def test_a_traceback_shows_no_values(output: io.StringIO, json_lines: bool) -> None:
    # given
    configure_logging("info", json=json_lines, stream=output)
    # when
    try:
        personal = "alice" + "@example.com"
        raise RuntimeError(len(personal))
    except RuntimeError:
        logging.getLogger("aiokafka").exception("it failed")
    # then
    assert "RuntimeError: 17" in output.getvalue()
    assert "raise RuntimeError(len(personal))" in output.getvalue()
    assert "alice@example.com" not in output.getvalue()


class Refused(Exception):
    """As a database driver's: a class of SQLSTATE, and rows below the first line."""

    def __init__(self, sqlstate: str, message: str) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate


QUOTES_DATA = [
    KeyError("email:alice@example.com"),
    ValueError("alice@example.com is no number"),
    AssertionError("alice@example.com"),
    UnicodeDecodeError("utf-8", b"alice@example.com", 0, 1, "alice@example.com"),
    msgspec.ValidationError("Invalid enum value 'alice@example.com'"),
    Refused("22P02", 'invalid input syntax for type uuid: "alice@example.com"'),
    Refused("23505", "duplicate key value\nDETAIL:  Key (key)=(email:alice@example.com) already exists."),
]


@pytest.mark.parametrize("level", ["info", "debug"])
@pytest.mark.parametrize("error", QUOTES_DATA, ids=lambda error: f"{type(error).__name__}{getattr(error, 'sqlstate', '')}")
def test_an_error_that_quotes_what_somebody_told_us_is_logged_by_kind_and_place(output: io.StringIO, level: str, error: Exception) -> None:
    # given
    configure_logging(level, json=True, stream=output)
    # when
    try:
        try:
            raise error
        except Exception as first:
            raise RuntimeError("the batch failed") from first
    except RuntimeError as second:
        logging.getLogger("services").warning("%s: %r", "profile", error)
        logging.getLogger("faust").exception("Crashed reason=%r", error)
        structlog.get_logger("rapport").warning("failed", error=error)
        logging.getLogger("services").warning("failed", exc_info=second, extra={"cause": error})
    # then
    assert "alice" not in output.getvalue()
    lines = [json.loads(line) for line in output.getvalue().splitlines()]
    assert len(lines) == 4
    assert all(type(error).__name__ in json.dumps(line) for line in lines)
    assert "RuntimeError: the batch failed\nwhich came from\n" in lines[3]["exception"]


def test_what_a_system_says_of_itself_is_logged(output: io.StringIO) -> None:
    configure_logging("info", json=True, stream=output)
    logging.getLogger("services").warning("waiting: %s", ConnectionRefusedError(111, "Connection refused"))
    logging.getLogger("services").warning("waiting: %r", LookupError("the event store has a hole after id 7"))
    logging.getLogger("services").warning("waiting: %s", KafkaConnectionError("closed"))
    logging.getLogger("services").warning("waiting: %s", TimeoutError())
    first, second, third, fourth = [json.loads(line)["event"] for line in output.getvalue().splitlines()]
    assert first == "waiting: ConnectionRefusedError: [Errno 111] Connection refused"
    assert second == "waiting: LookupError: the event store has a hole after id 7"
    assert third == "waiting: KafkaConnectionError: closed"
    assert fourth == "waiting: TimeoutError"


def test_an_error_that_quotes_is_placed_by_file_and_line() -> None:
    with pytest.raises(KeyError) as raised:
        dict[str, int]()["alice@example.com"]
    assert re.fullmatch(r"KeyError at .*test_logging\.py:\d+", in_words(raised.value))


def test_the_libraries_chatter_is_not_even_built(output: io.StringIO) -> None:
    configure_logging("debug", stream=output)
    for name in ("faust.app", "mode", "aiokafka.consumer.fetcher"):
        assert not logging.getLogger(name).isEnabledFor(logging.INFO)
    assert logging.getLogger("services.runtime").isEnabledFor(logging.DEBUG)


def test_of_a_storm_one_line_is_shown_in_ten_seconds_with_the_number_left_out() -> None:
    # given
    now = [0.0]
    storm = StormFilter(clock=lambda: now[0])

    def shown(name: str, message: str) -> str | None:
        record = logging.LogRecord(name, logging.ERROR, "", 0, message, (1,), None)
        return record.getMessage() if storm.filter(record) else None

    # then
    assert shown("aiokafka", "no node %d") == "no node 1"
    assert [shown("aiokafka", "no node %d") for _ in range(40)] == [None] * 40
    assert shown("aiokafka", "other %d") == "other 1"
    assert shown("services", "ours %d") == shown("services", "ours %d") == "ours 1"
    now[0] = 10.0
    assert shown("aiokafka", "no node %d") == "no node 1 (40 more like this left out)"
