"""What uvicorn writes in pieces reaches the client in one."""

import asyncio
from collections.abc import Callable
from typing import cast

import pytest

from services.runtime.joined_writes import JoinedWrites


class Told:
    """A transport that notes what it is told."""

    def __init__(self) -> None:
        self.told: list[bytes | str] = []

    def write(self, data: bytes) -> None:
        self.told.append(data)

    def close(self) -> None:
        self.told.append("close")

    def is_closing(self) -> bool:
        return "close" in self.told


def an_answer(joined: JoinedWrites) -> None:
    joined.write(b"head ")
    joined.write(b"body")


def two_answers_of_one_turn(joined: JoinedWrites) -> None:
    an_answer(joined)
    an_answer(joined)


def an_answer_that_ends_the_connection(joined: JoinedWrites) -> None:
    an_answer(joined)
    joined.close()


@pytest.mark.parametrize(
    ("happens", "told"),
    [
        (an_answer, [b"head body"]),
        (two_answers_of_one_turn, [b"head bodyhead body"]),
        (an_answer_that_ends_the_connection, [b"head body", "close"]),
    ],
)
def test_what_is_written_in_one_turn_goes_out_at_once(happens: Callable[[JoinedWrites], None], told: list[bytes | str]) -> None:
    transport = Told()

    async def turn() -> None:
        joined = JoinedWrites(cast(asyncio.Transport, transport))
        happens(joined)
        await asyncio.sleep(0)
        assert joined.is_closing() == ("close" in told)

    asyncio.run(turn())

    assert transport.told == told
