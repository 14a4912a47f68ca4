"""A plugin of pytest for mutmut 3.7, which asks each test for a name that pytest 9.2 gives otherwise.

mutmut 3.8 asks rightly, but needs a click that faust-streaming excludes.
"""

import pytest


def pytest_itemcollected(item: pytest.Item) -> None:
    item._nodeid = item.nodeid  # type: ignore[attr-defined]
