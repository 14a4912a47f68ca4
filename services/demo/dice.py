"""Chance from a fixed seed: the same on every machine and Python version."""

import random
from collections.abc import Sequence
from typing import TypeVar

SEED = "rapport demo 1"
T = TypeVar("T")


class Dice:
    """Throws that depend on the seed and the topic alone, so that a change of one topic leaves the others as they are.

    Built on ``random()`` alone, the one method whose sequence Python promises to keep.
    """

    def __init__(self, topic: str) -> None:
        self._random = random.Random(f"{SEED}: {topic}").random

    def chance(self, probability: float) -> bool:
        return self._random() < probability

    def between(self, least: int, most: int) -> int:
        """A whole number; both ends included."""
        return least + int(self._random() * (most - least + 1))

    def pick(self, choices: Sequence[T]) -> T:
        return choices[int(self._random() * len(choices))]

    def some(self, choices: Sequence[T], count: int) -> list[T]:
        """``count`` different ones, in the order in which they stood."""
        order = sorted(range(len(choices)), key=lambda _: self._random())[:count]
        return [choices[index] for index in sorted(order)]
