"""A command that cannot do what it was asked, in words its user can act on."""

import sys


class CommandFailed(Exception):
    """Raised by any command; ``main`` shows the message and the remedy, without a traceback, and leaves with ``code``."""

    def __init__(self, message: str, remedy: str = "", code: int = 1) -> None:
        super().__init__(message)
        self.remedy, self.code = remedy, code


EXPLAINED = (
    ("services.runtime.configuration", "WrongSettings", "`rapport config` shows every setting, its value and where that came from"),
    ("services.embedded.errors", "EmbeddedStackError", ""),
    ("services.runtime.http_requests", "Unreachable", "is the stack up? `rapport status` shows it"),
    ("services.runtime.log_reader", "LogStalled", "`rapport doctor` looks at Kafka; then run it again"),
)
"""Errors of other packages whose message is meant for a user: module, class, remedy. Named, so that nothing is imported to show help."""


def explained(error: BaseException) -> CommandFailed | None:
    """The error as a failed command, if its message is meant for a user."""
    if isinstance(error, CommandFailed):
        return error
    for module, name, remedy in EXPLAINED:
        loaded = sys.modules.get(module)
        if loaded is not None and isinstance(error, getattr(loaded, name)):
            return CommandFailed(str(error), remedy)
    return None
