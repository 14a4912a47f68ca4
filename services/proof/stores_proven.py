"""The live stores against a fold's: proven equal by the quick way where that will do, else compared customer by customer."""

from collections.abc import Iterable
from typing import Protocol, TypeVar

import msgspec

from services.proof.folding import Said
from services.proof.holders import Holders
from services.proof.loyalty_proven import LoyaltyProof
from services.proof.profile_proven import ProfileProof
from services.proof.published_accounts import PublishedAccounts
from services.proof.published_profiles import FoldedProfiles, HistoryBroken, PublishedProfiles
from services.proof.scope import Scope
from services.proof.stores_compared import Compared, compare_accounts, compare_profiles
from services.runtime.store_snapshot import StoreSnapshot

NOTHING_TO_GO_ON_FROM = (HistoryBroken, msgspec.MsgspecError, UnicodeDecodeError)


class _Follower(Protocol):
    def take(self, event: Said) -> None: ...


F = TypeVar("F", bound=_Follower)


def prove_profiles(fold: StoreSnapshot, live: StoreSnapshot, holders: Holders, scope: Scope) -> Compared:
    """As ``compare_profiles``. Whether the live store's events are what was published is for others to compare."""
    try:
        said = _told(PublishedProfiles(), live.events())
        folded = _told(FoldedProfiles(said), fold.events())
    except NOTHING_TO_GO_ON_FROM:
        return compare_profiles(fold, live, holders, scope)
    return profiles_proven(fold, live, said, folded, holders, scope)


def prove_accounts(fold: StoreSnapshot, live: StoreSnapshot, holders: Holders, scope: Scope) -> Compared:
    """As ``compare_accounts``, and of events the same."""
    try:
        said, folded = _told(PublishedAccounts(), live.events()), _told(PublishedAccounts(), fold.events())
    except NOTHING_TO_GO_ON_FROM:
        return compare_accounts(fold, live, holders, scope)
    return accounts_proven(fold, live, said, folded, holders, scope)


def profiles_proven(
    fold: StoreSnapshot,
    live: StoreSnapshot,
    said: PublishedProfiles,
    folded: FoldedProfiles,
    holders: Holders,
    scope: Scope,
    published: StoreSnapshot | None = None,
) -> Compared:
    """See ProfileProof."""
    if scope.of(ProfileProof(fold, live, said, folded, holders, published).unproven()):
        return compare_profiles(fold, live, holders, scope)
    return Compared("profile", len(scope.of(folded.living())), set())


def accounts_proven(
    fold: StoreSnapshot,
    live: StoreSnapshot,
    said: PublishedAccounts,
    folded: PublishedAccounts,
    holders: Holders,
    scope: Scope,
    published: StoreSnapshot | None = None,
) -> Compared:
    """See LoyaltyProof."""
    proof = LoyaltyProof(fold, live, said, folded, holders, published)
    if scope.of(proof.unproven()):
        return compare_accounts(fold, live, holders, scope)
    return Compared("loyalty", len(scope.of(proof.customers)), set())


def _told(follower: F, events: Iterable[Said]) -> F:
    for event in events:
        follower.take(event)
    return follower
