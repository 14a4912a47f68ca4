"""ClickHouse's errors: a number that clients act on, and a message. Numbers as in ClickHouse's `ErrorCodes.cpp`."""

import re

UNEXPECTED_PACKET = 101
UNKNOWN_SETTING = 115
READONLY = 164
SUPPORT_IS_DISABLED = 344
SESSION_NOT_FOUND = 372
SESSION_IS_LOCKED = 373
QUERY_WAS_CANCELLED = 394
ACCESS_DENIED = 497
AUTHENTICATION_FAILED = 516
SYNTAX_ERROR = 62
BAD_ARGUMENTS = 36
UNKNOWN_FORMAT = 73
TOO_LARGE = 307
UNKNOWN_EXCEPTION = 1002

_ENGINE_MESSAGE = re.compile(r"Code: (\d+)\. (?:DB::[\w:]*Exception: )?(.*)", re.DOTALL)
_REPEATED_PREFIX = re.compile(r"^Code: \d+\. DB::[\w:]*Exception: ")
_REPEATED_VERSION = re.compile(r" \(version [\d.]+\)\. \([A-Z_0-9]+\)\s*$")


class ServerError(Exception):
    """A statement failed or was refused; the connection lives on. The client is told `code` and `message`."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def from_engine(failure: BaseException) -> ServerError:
    """The engine's own number and words, taken out of what its Python binding raised."""
    found = _ENGINE_MESSAGE.search(str(failure))
    if not found:
        return ServerError(UNKNOWN_EXCEPTION, str(failure) or repr(failure))
    message = found.group(2)
    if _REPEATED_PREFIX.match(message):
        message = _REPEATED_VERSION.sub("", _REPEATED_PREFIX.sub("", message))
    return ServerError(int(found.group(1)), message.strip())
