"""Commands to a stage: asked in the process, decided by its worker between batches, answered once what was decided is durable."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

TOGETHER = 500
"""Commands in one transaction: it is one wait for the disk, however many there are."""


class Unanswered(Exception):
    """Raised to whoever asked: it may have been decided or not. Ask the same again after a moment."""


class Asked(NamedTuple):
    """A command that waits, and where its answer goes."""

    command: Any
    answer: "asyncio.Future[Any]"


class Commands:
    """What waits for the worker, in the order in which it came. All in one event loop.

    ``within``: seconds until an answer; ``most``: so many may wait. ``wake`` is called when something comes: the worker's own
    rhythm would let it wait for a tenth of a second.
    """

    def __init__(self, within: float = 5.0, most: int = 2_000) -> None:
        self._within, self._most = within, most
        self._waiting: list[Asked] = []
        self._closed = False
        self.wake: Callable[[], None] = lambda: None

    async def ask(self, command: Any) -> Any:
        """The answer, when it is durable. Raises Unanswered."""
        if self._closed or len(self._waiting) >= self._most:
            raise Unanswered("the process is stopping" if self._closed else f"{self._most} commands are waiting already")
        asked = Asked(command, asyncio.get_running_loop().create_future())
        self._waiting.append(asked)
        self.wake()
        try:
            return await asyncio.wait_for(asked.answer, self._within)
        except TimeoutError as late:
            raise Unanswered(f"no answer within {self._within:g} s") from late
        finally:
            with suppress(ValueError):
                self._waiting.remove(asked)

    def take(self) -> list[Asked]:
        """The next that are to be decided together."""
        taken, self._waiting = self._waiting[:TOGETHER], self._waiting[TOGETHER:]
        if self._waiting:
            self.wake()
        return taken

    def close(self) -> None:
        """Nothing more is answered."""
        self._closed = True
        fail(self._waiting, "the process is stopping")


def give(asked: Sequence[Asked], answers: Sequence[Any]) -> None:
    """To each its answer; some may wait no more."""
    for one, answer in zip(asked, answers, strict=True):
        if not one.answer.done():
            one.answer.set_result(answer)


def fail(asked: Sequence[Asked], why: str) -> None:
    for one in asked:
        if not one.answer.done():
            one.answer.set_exception(Unanswered(why))
