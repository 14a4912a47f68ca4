"""What can go wrong while the embedded stack is prepared or started, in words its user can act on."""


class EmbeddedStackError(Exception):
    """The stack cannot start as asked; the message names the cause and the remedy. Not retried: the caller shows it."""


class DownloadFailed(EmbeddedStackError):
    """No repository delivered a file; what has arrived is kept, and the next try goes on from there."""


class ChecksumMismatch(EmbeddedStackError):
    """A fetched file is not the file this version of Rapport was built for. It is deleted, and nothing of it is run."""


class JavaMissing(EmbeddedStackError):
    """No Java that can run Kafka was found, neither the system's nor the one that comes from PyPI."""


class PortTaken(EmbeddedStackError):
    """Another program listens on a port the stack needs; the message names the flag that moves it."""


class DirectoryInUse(EmbeddedStackError):
    """Another process holds the data directory; the message names its process id."""


class ComponentFailed(EmbeddedStackError):
    """A component ended, or was not ready in time; the message names its log file."""
