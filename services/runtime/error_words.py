"""What may be said of an error in a log or on /healthz: its kind and its place, and its message where that quotes no data.

A KeyError's message is the key, a ValueError's often the value: what people told us. Messages of systems (files, Kafka,
databases) say what is wrong with those; of PostgreSQL's only the first line, since DETAIL below it shows rows.
"""

import traceback

import msgspec

QUOTING = (ValueError, TypeError, KeyError, IndexError, AttributeError, AssertionError, msgspec.MsgspecError)
INVALID_DATA = "22"
"""The class of SQLSTATE whose message quotes what a database was given."""


class ErrorWords:
    """Stands for an error where a log line is formatted: %s and %r show the same."""

    def __init__(self, error: BaseException) -> None:
        self._words = in_words(error)

    def __str__(self) -> str:
        return self._words

    __repr__ = __str__


def in_words(error: BaseException) -> str:
    """One line."""
    kind = type(error).__name__
    if isinstance(error, QUOTING) or str(getattr(error, "sqlstate", "")).startswith(INVALID_DATA):
        return f"{kind} at {_place(error)}"
    message = str(error).strip().split("\n", 1)[0]
    if not message or message.startswith(kind):  # aiokafka's say their kind themselves
        return message or kind
    return f"{kind}: {message}"


def traceback_in_words(error: BaseException) -> str:
    """The traceback of an error and of what it came from; lines of code, and no values."""
    parts = []
    seen: set[int] = set()
    found: BaseException | None = error
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        parts.append("".join(traceback.format_tb(found.__traceback__)) + in_words(found))
        found = found.__cause__ or (None if found.__suppress_context__ else found.__context__)
    return "\nwhich came from\n".join(parts)


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "a place unknown"
