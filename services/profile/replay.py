"""What a customer's events add to the state that was saved before them: the same as when they were decided. Pure."""

from typing import Protocol

import msgspec

from schemas.reading import CountedTouchpoint, payload_of
from services.profile.facts import Facts, take


class Replayed(Protocol):
    """A customer as it was saved. ``unsaved`` are the anchors whose facts have grown since."""

    sequence: int
    lifecycle: str
    unsaved: list[str]


class Recorded(Protocol):
    """An event as it was stored."""

    @property
    def type(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def state(self) -> bytes: ...


class _Applied(msgspec.Struct, gc=False):
    anchor: str
    touchpoint: CountedTouchpoint


class _Lifecycle(msgspec.Struct, gc=False):
    after: str


_applied = msgspec.json.Decoder(_Applied).decode
_lifecycle = msgspec.json.Decoder(_Lifecycle).decode


def replay(customer: Replayed, facts: dict[str, Facts], event: Recorded) -> None:
    """Adds an event to its customer, and to the facts of its anchor, in place. Events come in order of their version."""
    if event.type == "touchpoint_applied":
        said = _applied(event.state)
        touchpoint, known = said.touchpoint, facts.get(said.anchor)
        if known is None:
            known = facts[said.anchor] = Facts()
        take(known, touchpoint, payload_of(touchpoint.type, touchpoint.version, touchpoint.payload))
        customer.unsaved.append(said.anchor)
    elif event.type == "lifecycle_changed":
        customer.lifecycle = _lifecycle(event.state).after
    customer.sequence = event.version
