"""What ``queries`` answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Customer:
    """A living customer: columns of the view ``customers``, in its words. Times are UTC, money is in ``currency``."""

    customer_id: UUID
    customer_ids: Sequence[str]
    identifiers: Sequence[str]
    emails: Sequence[str]
    phones: Sequence[str]
    traits: Mapping[str, str]
    lifecycle: str
    first_seen_at: datetime | None
    last_seen_at: datetime | None
    touchpoints: int
    touchpoints_by_type: Mapping[str, int]
    usual_channel: str
    preferred_channel: str
    orders: int
    currency: str
    gross: Decimal
    refunded: Decimal
    net: Decimal
    average_order: Decimal
    first_order_at: datetime | None
    last_order_at: datetime | None
    favourite_items: Sequence[str]
    favourite_categories: Sequence[str]
    cases: int
    open_cases: Sequence[str]
    csat_mean: float | None
    perceived_to_expected: float | None
    sentiment: float | None
    response_seconds_mean: int | None
    awaiting_response: int
    open_needs: Mapping[str, str]
    opportunities: Mapping[str, str]
    memberships: Mapping[str, str]
    consents: Mapping[str, bool]
    sequence: int
    as_of: datetime


@dataclass(frozen=True, slots=True)
class Touchpoint:
    """One entry of a timeline; ``payload`` is JSON."""

    event_id: str
    occurred_at: datetime
    type: str
    source: str
    direction: str
    conversation: str
    sentiment: float | None
    payload: str


@dataclass(frozen=True, slots=True)
class Change:
    """Something that changed a customer besides touchpoints."""

    event: str
    effective_at: datetime
    cause: str
    other_id: UUID | None
    identifiers: Sequence[str]
    lifecycle_before: str
    lifecycle_after: str
    reason: str


@dataclass(frozen=True, slots=True)
class LoyaltyAccount:
    """A living loyalty account, in points."""

    account_id: UUID
    programme: str
    balance: int
    available: int
    pending: int
    earned: int
    expired: int
    redeemed: int
    adjusted: int
    tier: str
    tier_since: datetime | None
    tier_until: datetime | None
    qualifying: int
    next_expiry_at: datetime | None
    next_expiry_points: int


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One entry of a loyalty ledger."""

    entry_id: str
    effective_at: datetime
    recorded_at: datetime
    kind: str
    amount: int
    balance: int
    rule: str
    rule_version: int | None
    source_event: str
    cause: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Something in quarantine, without its content."""

    quarantine_id: str
    stage: str
    reason: str
    path: str
    detail: str
    event_id: str
    source: str
    quarantined_at: datetime
    state: str


@dataclass(frozen=True, slots=True)
class RefusedWhole(Refused):
    """Something in quarantine with its content: text, or base64 as ``encoding`` says."""

    topic: str
    partition: int | None
    offset: int | None
    type: str
    occurred_at: str
    received_at: datetime
    original: str
    encoding: str
    decided_by: str
    decided_at: datetime | None
    why: str
    fix: Sequence[str]
    redriven_event_id: str


@dataclass(frozen=True, slots=True)
class Revenue:
    """Purchases in one currency, before refunds."""

    currency: str
    purchases: int
    customers: int
    total: Decimal


@dataclass(frozen=True, slots=True)
class Buyer:
    """A customer by what it bought in one currency, before refunds."""

    customer_id: UUID
    customer_ids: Sequence[str]
    currency: str
    purchases: int
    total: Decimal


@dataclass(frozen=True, slots=True)
class Counts:
    """How much there is of what, all of it counted once."""

    touchpoints: int
    customers: int
    identifiers: int
    merges: int
    refused_links: int
    purchases: int
    refunds: int
    cases: int
    open_cases: int
    conversations: int
    surveys: int
    loyalty_accounts: int
    points: int
    quarantined: int


@dataclass(frozen=True, slots=True)
class Position:
    """Up to where a partition is in the warehouse: ``next`` is the next offset to read."""

    topic: str
    partition: int
    next: int
    message_at: datetime
    written_at: datetime
