"""Rows of two tables that are not the same are found, whatever the order in which they come."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from services.proof import rows_apart
from services.proof.rows_apart import are_alike
from services.proof.rows_apart import rows_apart as apart

TABLES = st.dictionaries(st.integers(0, 40), st.integers(0, 2))


@given(left=TABLES, right=TABLES, seed=st.randoms(use_true_random=False), page=st.integers(1, 9))
def test_every_row_that_differs_is_named_once_with_both_values(
    left: dict[int, int], right: dict[int, int], seed: Random, page: int
) -> None:
    mine, theirs = list(left.items()), list(right.items())
    seed.shuffle(theirs)
    before, rows_apart.ROWS_A_PAGE = rows_apart.ROWS_A_PAGE, page
    try:
        found = list(apart(mine, theirs))
    finally:
        rows_apart.ROWS_A_PAGE = before
    keys = left.keys() | right.keys()
    assert set(found) == {(key, left.get(key), right.get(key)) for key in keys if left.get(key) != right.get(key)}
    assert len(found) == len(set(found))


@given(left=TABLES, right=TABLES)
def test_rows_are_alike_where_all_are_the_same_in_the_same_order(left: dict[int, int], right: dict[int, int]) -> None:
    mine, theirs = list(left.items()), list(right.items())
    assert are_alike(mine, theirs) == (mine == theirs)
    assert are_alike(mine, list(mine))
    assert not are_alike(mine, [*mine, (99, 1)])
