"""Named points at which a test makes a process die, stop or fail. Off, a point costs one look at an empty dictionary.

``RAPPORT_FAILPOINTS="after_commit:kill:3,after_produce:fail:1"``: the third time the process comes to ``after_commit`` it
kills itself, as kill -9 would; ``stop`` stops it as SIGSTOP would; ``fail`` raises FailpointFailed, once. Nothing else in
Rapport reads this variable, and a point that it does not name does nothing.
"""

import os
import signal

VARIABLE = "RAPPORT_FAILPOINTS"
_SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}


class FailpointFailed(OSError):
    """Raised by a point that was told to ``fail``: whoever catches OSError there must cope."""


def parsed(text: str) -> dict[str, tuple[str, int]]:
    """Name → (action, at which time). ValueError for anything that is not understood: a test must not pass by a typing mistake."""
    armed: dict[str, tuple[str, int]] = {}
    for one in filter(None, text.split(",")):
        name, action, times = one.split(":")
        if action not in ("kill", "stop", "fail") or int(times) < 1:
            raise ValueError(f"{VARIABLE}: {one!r} is not NAME:kill|stop|fail:TIMES")
        armed[name] = action, int(times)
    return armed


_armed = parsed(os.environ.get(VARIABLE, ""))


def failpoint(name: str) -> None:
    """Call it where a crash would be worst."""
    if _armed:
        _reached(name)


def _reached(name: str) -> None:
    action, times = _armed.get(name, ("", 0))
    if not action:
        return
    if times > 1:
        _armed[name] = action, times - 1
        return
    del _armed[name]
    if action == "fail":
        raise FailpointFailed(f"failpoint {name}")
    os.kill(os.getpid(), _SIGNALS[action])
