"""Which customers a comparison is about."""

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Scope:
    """``only``: None for all. ``apart``: changed while we looked, so that both sides may rightly differ."""

    only: frozenset[str] | None = None
    apart: set[str] = field(default_factory=set)

    def __contains__(self, customer: str) -> bool:
        """What is nobody's (empty text) is only in a comparison of all."""
        return customer not in self.apart and (self.only is None or customer in self.only)

    def of(self, customers: Iterable[str]) -> set[str]:
        """Those that are compared."""
        return {customer for customer in customers if customer in self}
