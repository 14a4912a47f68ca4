"""The quick way to know that a live loyalty store holds what the fold does: by bytes, and by what was read of both anyway.

See profile_proven.py. Whoever it cannot prove equal may be so all the same: then the slow way tells (loyalty_state.py).
"""

from collections.abc import Iterator
from typing import Any

from services.loyalty.account import EMPTY
from services.loyalty.account_record import AccountRecord, decode_holder
from services.proof.holders import Holders
from services.proof.published_accounts import PublishedAccounts
from services.proof.rows_apart import are_alike, rows_apart
from services.proof.shown import readable
from services.proof.stored_accounts import stored_accounts
from services.runtime.store_snapshot import StoreSnapshot

NOBODY = ""


class LoyaltyProof:
    """``said``, ``folded`` and ``published`` as there. ``customers``: who has an account by the fold, once ``unproven`` was asked."""

    def __init__(
        self,
        fold: StoreSnapshot,
        live: StoreSnapshot,
        said: PublishedAccounts,
        folded: PublishedAccounts,
        holders: Holders,
        published: StoreSnapshot | None = None,
    ) -> None:
        self._fold, self._live, self._published = fold, live, published
        self._said, self._folded, self._holders = said, folded, holders
        self.customers: set[str] = set()

    def unproven(self) -> set[str]:
        """Customers that are not proven equal; an empty text for what is nobody's."""
        ledgers = self._said.other_ledgers(self._folded)
        return ledgers.union(self._history(), self._accounts(), self._facts_and_holders(), self._redemptions())

    def _history(self) -> Iterator[str]:
        """The live store's events, byte by byte as they were published, and whoever has more of them."""
        if self._published is None:
            return
        up_to = min(self._live.last_id(), self._published.last_id())
        if not are_alike(self._published.events_as_stored(up_to), self._live.events_as_stored(up_to)):
            yield NOBODY
        yield from map(str, self._published.originators_after(up_to))

    def _accounts(self) -> set[str]:
        """All that the way it went does not change; and of live ones what their events say of their rows."""
        unseen, timers, wrong = set(self._said.last), self._live.timers(), set[str]()

        def expected() -> Iterator[tuple[str, Any]]:
            for id, _, account in stored_accounts(self._fold):
                if account is not None and _is_shown(account):
                    self.customers.add(id)
                    yield id, _lasting(account)

        def found() -> Iterator[tuple[str, Any]]:
            for id, value, account in stored_accounts(self._live):
                unseen.discard(id)
                there = account and (account.id, account.sequence, account.balance, account.due_ms)
                if there != (id, self._said.last.get(id, 0), self._said.balance.get(id, 0), timers.get(id)):
                    wrong.add(id)
                if account is None or _is_shown(account):
                    yield id, _lasting(account) if account else value

        return {id for id, *_ in rows_apart(expected(), found())} | wrong | unseen

    def _facts_and_holders(self) -> Iterator[str]:
        """Facts to the bit; who holds their anchors, not since which message; and of other identifiers that none is held by somebody
        else: which of them were ever spoken of depends on the way."""
        anchors: set[str] = set()

        def expected() -> Iterator[tuple[tuple[str, str], bytes]]:
            for anchor, key, value in self._fold.items("facts"):
                anchors.add(anchor)
                yield (anchor, key), value

        found = (((anchor, key), value) for anchor, key, value in self._live.items("facts"))
        yield from (self._holders.of(anchor) for (anchor, _), *_ in rows_apart(expected(), found))
        for identifier, *values in rows_apart(self._fold.rows("holders"), self._live.rows("holders")):
            said = [readable(decode_holder, value) for value in values if value is not None]
            customers = [holder.customer for holder in said if holder]
            right = self._holders.expected(identifier)
            if (
                len(customers) < len(said)
                or (identifier in anchors and (len(customers) < 2 or customers[0] != customers[1]))
                or any(customer != (right or customer) for customer in customers)
            ):
                yield self._holders.of(identifier)

    def _redemptions(self) -> Iterator[str]:
        """What a repeated command is answered."""
        apart = rows_apart(self._fold.rows("redemptions"), self._live.rows("redemptions"))
        return (NOBODY for _ in apart)


def _is_shown(account: AccountRecord) -> bool:
    """Not one from which everything has moved."""
    return bool(account.anchors or account.balance or account.state != EMPTY)


def _lasting(account: AccountRecord) -> tuple[Any, ...]:
    anchors = sorted(account.anchors)
    return account.balance, account.tier, account.programme, anchors, account.merged_into, account.due_ms, account.state
