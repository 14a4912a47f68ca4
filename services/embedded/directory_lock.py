"""One process for one directory: a lock that the operating system releases when its holder ends, however it ends."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services.embedded.errors import DirectoryInUse


@contextmanager
def hold(lock_file: Path, what: str, through_exec: bool = False) -> Iterator[None]:
    """Holds the lock inside the `with`; raises DirectoryInUse, naming the holder's process id, if another has it.

    With `through_exec` a program that takes this process's place (`os.execv`) holds it on.
    The file stays behind: removing it would let two processes lock two files of the same name.
    """
    lock_file.parent.mkdir(parents=True, exist_ok=True)
    with lock_file.open("a+", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as taken:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise DirectoryInUse(
                f"{what} is in use by process {holder}: stop it first, or choose another directory with --data-dir."
            ) from taken
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        os.set_inheritable(file.fileno(), through_exec)
        yield
