"""What is printed, and what is not."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

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
    assert "alice@example.com" not in output.getvalue()


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
