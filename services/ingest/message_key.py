"""The Kafka key of a touchpoint: its highest-priority identifier, so that one customer's events tend to share a partition."""

from collections.abc import Callable, Sequence
from typing import Any

KeyOf = Callable[[Sequence[Any]], bytes]


def keys_by(priority: Sequence[str]) -> KeyOf:
    """A function from a touchpoint's identifiers to its key ``type:value``, as the channel spelled it.

    ``priority`` names types, strongest first; types that it does not name come before ``anonymous_id``, by name.
    """
    weakest = priority.index("anonymous_id") if "anonymous_id" in priority else len(priority)
    known = {kind: (index, 1, kind) for index, kind in enumerate(priority)}

    def rank(identifier: Any) -> tuple[tuple[int, int, str], str]:
        return known.get(identifier.type) or (weakest, 0, identifier.type), identifier.value

    def key_of(identifiers: Sequence[Any]) -> bytes:
        first = identifiers[0] if len(identifiers) == 1 else min(identifiers, key=rank)
        return f"{first.type}:{first.value}".encode()

    return key_of
