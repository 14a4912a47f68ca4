"""What proves a live loyalty store equal; the slow way is loyalty_state.py."""

from collections.abc import Iterator
from typing import Any

from services.loyalty.account import EMPTY
from services.loyalty.account_record import AccountRecord, decode_holder
from services.proof.published_accounts import PublishedAccounts
from services.proof.rows_apart import rows_apart
from services.proof.shown import readable
from services.proof.store_proof import NOBODY, StoreProof
from services.proof.stored_accounts import stored_accounts


class LoyaltyProof(StoreProof[PublishedAccounts, PublishedAccounts]):
    """See StoreProof."""

    def unproven(self) -> set[str]:
        ledgers = self._said.other_ledgers(self._folded)
        return ledgers.union(self._history(), self._accounts(), self._facts_and_holders(), self._redemptions())

    def _accounts(self) -> set[str]:
        """All that the way it went does not change; and of live ones what their events say of their rows."""
        unseen, timers, wrong = set(self._said.last), self.live.timers(), set[str]()

        def expected() -> Iterator[tuple[str, Any]]:
            for id, _, account in stored_accounts(self.fold):
                if account is not None and _is_shown(account):
                    self.customers.add(id)
                    yield id, _lasting(account)

        def found() -> Iterator[tuple[str, Any]]:
            for id, value, account in stored_accounts(self.live):
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
            for anchor, key, value in self.fold.items("facts"):
                anchors.add(anchor)
                yield (anchor, key), value

        found = (((anchor, key), value) for anchor, key, value in self.live.items("facts"))
        yield from (self.holders.of(anchor) for (anchor, _), *_ in rows_apart(expected(), found))
        for identifier, *values in rows_apart(self.fold.rows("holders"), self.live.rows("holders")):
            said = [readable(decode_holder, value) for value in values if value is not None]
            customers = [holder.customer for holder in said if holder]
            right = self.holders.expected(identifier)
            if (
                len(customers) < len(said)
                or (identifier in anchors and (len(customers) < 2 or customers[0] != customers[1]))
                or any(customer != (right or customer) for customer in customers)
            ):
                yield self.holders.of(identifier)

    def _redemptions(self) -> Iterator[str]:
        """What a repeated command is answered."""
        apart = rows_apart(self.fold.rows("redemptions"), self.live.rows("redemptions"))
        return (NOBODY for _ in apart)


def _is_shown(account: AccountRecord) -> bool:
    """Not one from which everything has moved."""
    return bool(account.anchors or account.balance or account.state != EMPTY)


def _lasting(account: AccountRecord) -> tuple[Any, ...]:
    anchors = sorted(account.anchors)
    return account.balance, account.tier, account.programme, anchors, account.merged_into, account.due_ms, account.state
