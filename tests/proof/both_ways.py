"""Live stores compared with a fold's, the quick way and the slow one: whatever is stored, both say the same."""

from services.proof.scope import Scope
from services.proof.stores_compared import Compared, compare_accounts, compare_profiles, holders_of
from services.proof.stores_proven import prove_accounts, prove_profiles
from services.runtime.store_snapshot import StoreSnapshot


def compared_both_ways(
    expected: StoreSnapshot, profile: StoreSnapshot, expected_accounts: StoreSnapshot, loyalty: StoreSnapshot
) -> tuple[Compared, Compared]:
    """Profiles and accounts."""
    holders = holders_of(expected, profile)
    slow = compare_profiles(expected, profile, holders, Scope()), compare_accounts(expected_accounts, loyalty, holders, Scope())
    quick = prove_profiles(expected, profile, holders, Scope()), prove_accounts(expected_accounts, loyalty, holders, Scope())
    assert quick == slow
    return slow
