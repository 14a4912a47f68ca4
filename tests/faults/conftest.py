"""One stack for all short scenarios: each checks everything that the log holds so far, what came before it included."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from services.chaos.run import Bench, running_bench


class Benches:
    """Hands out the running bench; after a failure the next scenario gets a new one."""

    def __init__(self) -> None:
        self._open = ExitStack()
        self._bench: Bench | None = None

    def bench(self) -> Bench:
        if self._bench is None:
            self._bench = self._open.enter_context(running_bench())
        return self._bench

    def close(self) -> None:
        self._bench = None
        self._open.close()
        self._open = ExitStack()


@pytest.fixture(scope="session")
def benches() -> Iterator[Benches]:
    benches = Benches()
    yield benches
    benches.close()
