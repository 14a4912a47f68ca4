"""One log line format for our own code and for the libraries', and no storms from the latter.

Lines hold no personal data. Ids of originators and events appear at level debug only, as fields of a line; of errors
is said what error_words.py allows, at every level.
"""

import logging
import sys
import time
from collections.abc import Callable, MutableMapping
from typing import Any, TextIO

import structlog

from services.runtime.error_words import ErrorWords, traceback_in_words

CHATTY = ("faust", "mode", "aiokafka", "kafka", "opentelemetry", "urllib3")
STORM_SECONDS = 10.0


class StormFilter(logging.Filter):
    """Lets one record of a kind (logger and message template) through in `seconds`, and then says how many were left
    out. aiokafka writes 40 errors a second while it has no connection."""

    def __init__(self, seconds: float = STORM_SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._seconds, self._clock = seconds, clock
        self._seen: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if not record.name.startswith(CHATTY):
            return True
        kind, now = (record.name, str(record.msg)), self._clock()
        last, left_out = self._seen.get(kind, (-self._seconds, 0))
        if now - last < self._seconds:
            self._seen[kind] = last, left_out + 1
            return False
        if len(self._seen) > 1000:
            self._seen.clear()
        self._seen[kind] = now, 0
        if left_out:
            record.msg, record.args = f"{record.getMessage()} ({left_out} more like this left out)", ()
        return True


class ErrorsInWords(logging.Filter):
    """Lets everything through, with errors among a message's arguments put in words."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(ErrorWords(one) if isinstance(one, BaseException) else one for one in record.args)
        return True


def configure_logging(level: str = "info", json: bool = False, stream: TextIO | None = None) -> None:
    """For the whole process, once, before anything else runs. `level`: debug, info, warning or error; of the
    libraries only warnings and errors are shown (building records that nobody sees cost a tenth of Faust's time)."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        _fields_in_words,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    out = stream or sys.stderr
    last = [structlog.processors.ExceptionRenderer(_formatted), structlog.processors.JSONRenderer()] if json else _console(out)
    handler = logging.StreamHandler(out)
    handler.addFilter(ErrorsInWords())  # first: the other may write the message out
    handler.addFilter(StormFilter())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last]
        )
    )
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in CHATTY:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(level.upper())))
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def _console(out: TextIO) -> list[Any]:
    def show(to: TextIO, raised: Any) -> None:
        to.write("\n" + _formatted(raised))

    return [structlog.dev.ConsoleRenderer(colors=out.isatty(), pad_event_to=0, exception_formatter=show)]


def _formatted(exc_info: Any) -> str:
    """Of what sys.exc_info gives."""
    return traceback_in_words(exc_info[1]) if exc_info[1] else ""


def _fields_in_words(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name, value in line.items():
        if isinstance(value, BaseException) and name != "exc_info":
            line[name] = str(ErrorWords(value))
    return line
