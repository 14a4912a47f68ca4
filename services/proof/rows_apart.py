"""Which rows of two tables are not the same. Pure."""

from collections.abc import Iterable, Iterator
from itertools import islice, starmap, zip_longest
from operator import eq
from typing import TypeVar

ROWS_A_PAGE = 2_000
K = TypeVar("K")
V = TypeVar("V")


def rows_apart(expected: Iterable[tuple[K, V]], found: Iterable[tuple[K, V]]) -> Iterator[tuple[K, V | None, V | None]]:
    """Key and both values of each row that differs, None where a side has no such row. Each side has a key once. Whatever their orders;
    but quick, and in little memory, where both come in about the same one."""
    left: dict[K, V] = {}
    right: dict[K, V] = {}
    for mine, theirs in zip_longest(_pages(expected), _pages(found), fillvalue=()):
        if mine == theirs:
            continue
        left.update(mine)
        right.update(theirs)
        for key in left.keys() & right.keys():
            wanted, is_there = left.pop(key), right.pop(key)
            if wanted != is_there:
                yield key, wanted, is_there
    yield from ((key, value, None) for key, value in left.items())
    yield from ((key, None, value) for key, value in right.items())


def are_alike(expected: Iterable[tuple[object, ...]], found: Iterable[tuple[object, ...]]) -> bool:
    """Whether both give the same rows in the same order."""
    return all(starmap(eq, zip_longest(expected, found)))


def _pages(rows: Iterable[tuple[K, V]]) -> Iterator[list[tuple[K, V]]]:
    rest = iter(rows)
    while page := list(islice(rest, ROWS_A_PAGE)):
        yield page
