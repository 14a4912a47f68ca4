"""Several long pieces of work at once, each in a process of its own; what they say of their progress comes to one place."""

import os
import signal
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Generic, TypeVar, cast

from services.cli.errors import CommandFailed
from services.proof.progress import Progress

T = TypeVar("T")
LATER = 10
"""Niceness."""
KILLED = "was there too little memory? Each can be done alone"


@dataclass(frozen=True, slots=True)
class _Ended(Generic[T]):
    outcome: T | CommandFailed


def at_once(works: Mapping[str, Callable[[Progress], T]], progress: Progress) -> dict[str, T | CommandFailed]:
    """By name what each returned, or the CommandFailed that it raised; a failure stops none of the others. The first goes before the others
    where there are too few cores: give what takes longest. Work, and what it returns, must be picklable. No process outlives this one."""
    context = get_context("spawn")
    processes: list[BaseProcess] = []
    telling: dict[Connection, str] = {}
    try:
        for name, work in works.items():
            told, tells = context.Pipe(duplex=False)
            processes.append(context.Process(target=_do, args=(work, tells, LATER if processes else 0), name=name))
            processes[-1].start()
            tells.close()
            telling[told] = name
        return _outcomes(telling, progress)
    finally:
        for process in processes:
            process.terminate()
            process.join()


def _outcomes(telling: dict[Connection, str], progress: Progress) -> dict[str, T | CommandFailed]:
    outcomes = {name: cast(T | CommandFailed, CommandFailed(f"{name}: its process was killed", KILLED)) for name in telling.values()}
    while telling:
        for told in cast(list[Connection], wait(list(telling))):
            try:
                said = told.recv()
            except EOFError:
                del telling[told]
                continue
            if isinstance(said, _Ended):
                outcomes[telling[told]] = said.outcome
            else:
                progress(*said)
    return outcomes


def _do(work: Callable[[Progress], T], tells: Connection, niceness: int) -> None:
    os.nice(niceness)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process of the terminal: whoever started this ends it
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        outcome: T | CommandFailed = work(lambda phase, done, total: tells.send((phase, done, total)))
    except CommandFailed as failed:
        outcome = failed
    tells.send(_Ended(outcome))


def _end_with_parent() -> None:
    if (parent := parent_process()) is not None:
        parent.join()
        os._exit(1)
