"""The stage's domain events: numbers them by customer and writes them as they will be published."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import NAMESPACE_OID, uuid5

import msgspec

from schemas import profile_events as published
from schemas.compiled import struct_of
from schemas.quarantine import Quarantined, glimpse, kept
from schemas.reading import Unreadable
from services.profile.customers import Customer
from services.profile.identifiers import Name
from services.profile.identity import Member, held
from services.runtime.event_store import NewEvent
from services.runtime.stage import Record
from services.runtime.tracing import traceparent_in

encode = msgspec.json.Encoder().encode

_Applied = struct_of(published.TouchpointApplied, (("touchpoint", Any),))
_Touchpoint = struct_of(published.AppliedTouchpoint, (("payload", msgspec.Raw), ("context", msgspec.Raw)))
_AppliedBefore = struct_of(published.TouchpointApplied, (("touchpoint", _Touchpoint),))
_Merged = struct_of(published.CustomersMerged)
_MergedInto = struct_of(published.CustomerMergedInto)
_Joined = struct_of(published.IdentifiersJoined)
_Left = struct_of(published.IdentifiersLeft)
_Refused = struct_of(published.LinkRefused)
_Lifecycle = struct_of(published.LifecycleChanged)
_Quarantined = struct_of(Quarantined)
_applied: Any = msgspec.json.Decoder(_AppliedBefore).decode


class Changes:
    """The events of one batch, in order. ``touched`` are the customers that they are about; ``reshaped`` the ids of those that
    more was said of than a touchpoint or a lifecycle.

    ``headers``: of the record that causes what is added next; ``traces``: index of an event → its traceparent, where it has one.
    """

    def __init__(self, recorded_at: str) -> None:
        self.recorded_at = recorded_at
        self.events: list[NewEvent] = []
        self.touched: dict[str, Customer] = {}
        self.headers: Sequence[tuple[str, bytes]] = ()
        self.traces: dict[int, bytes] = {}
        self.reshaped: set[str] = set()

    def touchpoint_applied(self, customer: Customer, anchor: str, joined: Iterable[Member], touchpoint: Any, names: list[Name]) -> None:
        """The touchpoint was counted for the customer. It is changed: from now on it names identifiers as they are published."""
        touchpoint.identifiers = [name.held for name in names]
        joined_by_it = [held(member) for member in joined]
        self._add(
            customer, _Applied(**self._head(customer, touchpoint.event_id), anchor=anchor, joined=joined_by_it, touchpoint=touchpoint)
        )

    def touchpoint_again(self, customer: Customer, state: bytes) -> None:
        """A touchpoint that was counted before, in a history that was lost. ``state``: its event there. Nobody joins by it."""
        event = _applied(state)
        event.customer_id, event.sequence, event.recorded_at = customer.id, customer.sequence + 1, self.recorded_at
        event.joined = []
        self._add(customer, event)

    def restated(self, customer: Customer, members: Iterable[Member], cause: str) -> None:
        """Says again who holds what, so that a snapshot that was wrong is followed by one with a higher number."""
        self.appeared(customer, members, cause)

    def merged(self, customer: Customer, merged: Customer, members: Iterable[Member], cause: str) -> None:
        """``merged`` turned out to be ``customer``."""
        self._reshape(customer, _Merged(**self._head(customer, cause), merged=merged.id, identifiers=[held(m) for m in members]))
        self._reshape(merged, _MergedInto(**self._head(merged, cause), survivor=customer.id))
        merged.merged_into, merged.lifecycle = customer.id, "prospect"

    def merged_elsewhere(self, merged: Customer, survivor: str, cause: str) -> None:
        """``merged``, which was merged before, turned out to be yet another customer."""
        self._reshape(merged, _MergedInto(**self._head(merged, cause), survivor=survivor))
        merged.merged_into = survivor

    def moved(self, former: Customer, holder: Customer, members: Iterable[Member], cause: str) -> None:
        """Identifiers of ``former`` turned out to be ``holder``'s."""
        identifiers = [held(member) for member in members]
        self._reshape(former, _Left(**self._head(former, cause), holder=holder.id, identifiers=identifiers))
        self._reshape(holder, _Joined(**self._head(holder, cause), former=former.id, identifiers=identifiers))

    def appeared(self, holder: Customer, members: Iterable[Member], cause: str) -> None:
        """Identifiers that nobody held are ``holder``'s."""
        self._reshape(holder, _Joined(**self._head(holder, cause), former=None, identifiers=[held(member) for member in members]))

    def link_refused(self, customer: Customer, anchor: Member, refused: Member, reason: str, cause: str) -> None:
        """Two identifiers stay with two customers."""
        self._reshape(customer, _Refused(**self._head(customer, cause), anchor=held(anchor), refused=held(refused), reason=reason))

    def lifecycle_changed(self, customer: Customer, after: str, effective_at: str, cause: str) -> None:
        """The customer moved on."""
        before, customer.lifecycle = customer.lifecycle, after
        self._add(customer, _Lifecycle(**self._head(customer, cause), before=before, after=after, effective_at=effective_at))

    def quarantined(self, record: Record, number: int, error: Unreadable, known: Any) -> None:
        """The record was set aside; ``number`` counts those of its partition from 1. ``known``: the touchpoint, if it was read."""
        original, encoding, detail = kept(record.value or b"", error.detail)
        message = _Quarantined(
            quarantine_id=f"{record.topic}:{record.partition}:{record.offset}",
            stage="profile",
            reason=error.reason,
            path=error.path,
            detail=detail,
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            received_at=self.recorded_at,
            quarantined_at=self.recorded_at,
            **_readable_parts(known or glimpse(record.value or b"")),
            original=original,
            encoding=encoding,
        )
        origin = uuid5(NAMESPACE_OID, f"quarantine:{record.topic}:{record.partition}")
        self.headers = record.headers
        self._trace()
        self.events.append(NewEvent(origin, number, "quarantined", encode(message)))

    def _head(self, customer: Customer, cause: str) -> dict[str, Any]:
        return {"customer_id": customer.id, "sequence": customer.sequence + 1, "recorded_at": self.recorded_at, "cause": cause}

    def _reshape(self, customer: Customer, event: Any) -> None:
        self.reshaped.add(customer.id)
        self._add(customer, event)

    def _add(self, customer: Customer, event: Any) -> None:
        customer.sequence += 1
        self.touched[customer.id] = customer
        if self.headers:
            self._trace()
        self.events.append(NewEvent(customer.uuid, customer.sequence, event.event, encode(event)))

    def _trace(self) -> None:
        if traceparent := traceparent_in(self.headers):
            self.traces[len(self.events)] = traceparent


def _readable_parts(known: Any) -> dict[str, Any]:
    return {name: getattr(known, name) for name in ("event_id", "type", "source", "occurred_at")}
