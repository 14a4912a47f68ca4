"""Starting, watching and stopping the stack's processes, and the loopback ports they listen on."""

import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from services.embedded.errors import ComponentFailed, PortTaken

LOOPBACK = "127.0.0.1"


def free_port() -> int:
    """A loopback port nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def require_free_port(port: int, flag: str, what: str) -> None:
    """Raises PortTaken, naming the port and the flag that moves it."""
    with socket.socket() as probe:
        # As servers do: a port whose last connections are still closing is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
            # Where one may bind beside a program that listens on all addresses, only asking tells.
            if answers(port):
                raise OSError("something answers")
        except OSError as refused:
            raise PortTaken(
                f"Port {port}, where {what} should listen, is taken by another program: stop it, or choose another port with {flag}."
            ) from refused


def answers(port: int, timeout_s: float = 0.5) -> bool:
    """Whether something accepts connections on this loopback port."""
    try:
        socket.create_connection((LOOPBACK, port), timeout_s).close()
    except OSError:
        return False
    return True


def launch(argv: Sequence[str], log_path: Path, env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    """Starts a process whose output is appended to `log_path`; it gets no terminal signal of its parent's (Ctrl-C)."""
    log_path.parent.mkdir(parents=True, exist_ok=True)
    with log_path.open("ab") as log:
        return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env, start_new_session=True)


def wait_until_ready(process: subprocess.Popen[bytes], ready: Callable[[], bool], what: str, log_path: Path, limit_s: float = 60) -> None:
    """Returns once `ready`; raises ComponentFailed when the process ends first or the limit passes."""
    deadline = time.monotonic() + limit_s
    while not ready():
        if process.poll() is not None:
            raise ComponentFailed(f"{what} ended with status {process.returncode}. Its log: {log_path}\n{_tail(log_path)}")
        if time.monotonic() > deadline:
            raise ComponentFailed(f"{what} was not ready after {limit_s:.0f} s. Its log: {log_path}\n{_tail(log_path)}")
        time.sleep(0.03)


def stop(process: subprocess.Popen[bytes], limit_s: float = 15) -> None:
    """Asks the process to end (SIGTERM), and ends it (SIGKILL) after the limit. Returns when it is gone."""
    process.terminate()
    try:
        process.wait(limit_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _tail(log_path: Path, lines: int = 15) -> str:
    if not log_path.exists():
        return ""
    return "\n".join(log_path.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
