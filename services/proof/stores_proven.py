"""The live stores against a fold's: proven equal by the quick way where that will do, else compared customer by customer."""

from collections.abc import Callable, Iterable
from typing import Any, Protocol, TypeVar

import msgspec

from services.proof.folding import Said
from services.proof.holders import Holders
from services.proof.loyalty_proven import LoyaltyProof
from services.proof.profile_proven import ProfileProof
from services.proof.published_accounts import PublishedAccounts
from services.proof.published_profiles import FoldedProfiles, HistoryBroken, PublishedProfiles
from services.proof.scope import Scope
from services.proof.store_proof import StoreProof
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
    return profiles_proven(ProfileProof(fold, live, said, folded, holders), scope)


def prove_accounts(fold: StoreSnapshot, live: StoreSnapshot, holders: Holders, scope: Scope) -> Compared:
    """As ``compare_accounts``, and of events the same."""
    try:
        said, folded = _told(PublishedAccounts(), live.events()), _told(PublishedAccounts(), fold.events())
    except NOTHING_TO_GO_ON_FROM:
        return compare_accounts(fold, live, holders, scope)
    return accounts_proven(LoyaltyProof(fold, live, said, folded, holders), scope)


def profiles_proven(proof: ProfileProof, scope: Scope) -> Compared:
    """By what is known of the events already."""
    return _proven("profile", proof, lambda: compare_profiles(proof.fold, proof.live, proof.holders, scope), scope)


def accounts_proven(proof: LoyaltyProof, scope: Scope) -> Compared:
    """By what is known of the events already."""
    return _proven("loyalty", proof, lambda: compare_accounts(proof.fold, proof.live, proof.holders, scope), scope)


def _proven(store: str, proof: StoreProof[Any, Any], compared: Callable[[], Compared], scope: Scope) -> Compared:
    return compared() if scope.of(proof.unproven()) else Compared(store, len(scope.of(proof.customers)), set())


def _told(follower: F, events: Iterable[Said]) -> F:
    for event in events:
        follower.take(event)
    return follower
