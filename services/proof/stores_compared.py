"""The stages' live stores against a refold's, by customer: checksums first, field by field only where they differ."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

from services.proof.holders import Holders, held
from services.proof.loyalty_state import loyalty_state
from services.proof.profile_state import profile_state
from services.proof.scope import Scope
from services.proof.shown import Difference, Shown, checksums, differences, of_customers, unequal
from services.runtime.store_snapshot import StoreSnapshot

State = Callable[[StoreSnapshot, Holders], Iterator[Shown]]
DETAILED = 1_000
"""Customers of which single fields are shown; of more only how many there are."""


@dataclass(slots=True)
class Compared:
    """What came out for one store. ``unequal`` are the customers that differ (empty text: something that is nobody's)."""

    store: str
    customers: int
    unequal: set[str]
    differences: list[Difference] = field(default_factory=list)


def holders_of(expected: StoreSnapshot, found: StoreSnapshot) -> Holders:
    """By both profile stores."""
    return Holders(held(expected.rows("linked_sets")), held(found.rows("linked_sets")))


def compare_profiles(expected: StoreSnapshot, found: StoreSnapshot, holders: Holders, scope: Scope) -> Compared:
    """What the profile stage knows."""
    return _compared("profile", profile_state, expected, found, holders, scope, quick=partial(profile_state, as_spelt=True))


def compare_accounts(expected: StoreSnapshot, found: StoreSnapshot, holders: Holders, scope: Scope) -> Compared:
    """What the loyalty stage knows."""
    return _compared("loyalty", loyalty_state, expected, found, holders, scope)


def _compared(
    name: str, state: State, expected: StoreSnapshot, found: StoreSnapshot, holders: Holders, scope: Scope, quick: State | None = None
) -> Compared:
    """``quick``: a state in which more may differ, to look at first."""
    customers, which = _who_differs(quick or state, expected, found, holders, scope)
    if which and quick:
        customers, which = _who_differs(state, expected, found, holders, scope)
    compared = Compared(name, customers, which)
    if which:
        some = set(sorted(which)[:DETAILED])
        both = of_customers(state(expected, holders), some), of_customers(state(found, holders), some)
        compared.differences = list(differences(name, *both))
    return compared


def _who_differs(state: State, expected: StoreSnapshot, found: StoreSnapshot, holders: Holders, scope: Scope) -> tuple[int, set[str]]:
    """How many customers were compared, and those that differ."""
    wanted = checksums(state(expected, holders))
    which = scope.of(unequal(wanted, checksums(state(found, holders))))
    return len(scope.of(wanted.keys() - {""})), which
