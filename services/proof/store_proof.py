"""The quick way to know that a live store holds what a fold does: by bytes, and by what was read of both anyway.

It proves most customers equal in a fraction of the time that showing all their state takes. Whoever it cannot prove equal may be so all
the same: then the slow way tells (stores_compared.py).
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Generic, TypeVar

from services.proof.holders import Holders
from services.proof.rows_apart import are_alike
from services.runtime.store_snapshot import StoreSnapshot

NOBODY = ""
Said = TypeVar("Said")
Folded = TypeVar("Folded")


class StoreProof(ABC, Generic[Said, Folded]):
    """``said``: what was published; ``folded``: what the fold would publish. ``published``: a store with those events; None where they
    are the live store's own. ``customers``: whom the fold has, once ``unproven`` was asked."""

    def __init__(
        self,
        fold: StoreSnapshot,
        live: StoreSnapshot,
        said: Said,
        folded: Folded,
        holders: Holders,
        published: StoreSnapshot | None = None,
    ) -> None:
        self.fold, self.live, self._published = fold, live, published
        self._said, self._folded, self.holders = said, folded, holders
        self.customers: set[str] = set()

    @abstractmethod
    def unproven(self) -> set[str]:
        """Customers that are not proven equal; an empty text for what is nobody's."""

    def _history(self) -> Iterator[str]:
        """The live store's events, byte by byte as they were published, and whoever has more of them."""
        if self._published is None:
            return
        up_to = min(self.live.last_id(), self._published.last_id())
        if not are_alike(self._published.events_as_stored(up_to), self.live.events_as_stored(up_to)):
            yield NOBODY
        yield from map(str, self._published.originators_after(up_to))
