"""What projections read of each message: the fields that become columns, with limits that ClickHouse's columns can hold.

Partial on purpose: a field that nobody projects is skipped, which reads four times as fast as the whole model. A test
feeds every schema's example to both.
"""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta, Raw, Struct

from schemas.upcasting import newest

Moment = Annotated[datetime, Meta(tz=True)]
Whole = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Small = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Version = Annotated[int, Meta(ge=0, le=65_535)]
Money = Annotated[int, Meta(ge=0, le=10**15)]
Total = Annotated[int, Meta(ge=0, le=500 * 10**15)]
Score = Annotated[float, Meta(ge=0, le=1000)]
Sentiment = Annotated[float, Meta(ge=-1, le=1)]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def micros(moment: datetime) -> int:
    """Microseconds since 1970: what a DateTime64(6) column takes."""
    return (moment - _EPOCH) // _MICROSECOND


def micros_or_none(moment: datetime | None) -> int | None:
    return None if moment is None else (moment - _EPOCH) // _MICROSECOND


class Held(Struct, gc=False):
    """``HeldIdentifier``."""

    type: str
    value: str
    id: UUID

    def __str__(self) -> str:
        return f"{self.type}:{self.value}"


class Touchpoint(Struct, gc=False):
    """``AppliedTouchpoint``; payload and context stay the bytes that came."""

    event_id: str
    type: str
    version: Version
    occurred_at: Moment
    received_at: Moment
    source: str
    identifiers: list[Held]
    payload: Raw
    context: Raw
    original_timestamp: Moment | None = None


class TouchpointApplied(Struct, gc=False):
    customer_id: UUID
    sequence: Count
    recorded_at: Moment
    anchor: UUID
    joined: list[Held]
    touchpoint: Touchpoint


class CustomersMerged(Struct, gc=False):
    customer_id: UUID
    sequence: Count
    recorded_at: Moment
    cause: str
    merged: UUID
    identifiers: list[Held]


class CustomerMergedInto(Struct, gc=False):
    customer_id: UUID
    sequence: Count
    recorded_at: Moment
    cause: str
    survivor: UUID


class IdentifiersJoined(Struct, gc=False):
    customer_id: UUID
    sequence: Count
    recorded_at: Moment
    cause: str
    former: UUID | None
    identifiers: list[Held]


class IdentifiersLeft(Struct, gc=False):
    customer_id: UUID
    sequence: Count
    recorded_at: Moment
    cause: str
    holder: UUID
    identifiers: list[Held]


class LinkRefused(Struct, gc=False):
    customer_id: UUID
    sequence: Count
    recorded_at: Moment
    cause: str
    anchor: Held
    refused: Held
    reason: str


class LifecycleChanged(Struct, gc=False):
    customer_id: UUID
    sequence: Count
    recorded_at: Moment
    cause: str
    before: str | None
    after: str
    effective_at: Moment


class Talk(Struct, gc=False):
    """Payload of a call, mail, chat or message."""

    direction: str
    conversation_id: str | None = None
    case_id: str | None = None
    sentiment: Sentiment | None = None


class Social(Talk, gc=False):
    direction: str = "inbound"


class PurchaseLine(Struct, gc=False):
    sku: str
    name: str | None = None
    category: str | None = None
    quantity: Annotated[int, Meta(ge=1, le=10**6)] = 1
    unit_price_minor: Money | None = None


class Purchase(Struct, gc=False):
    order_id: str
    total_minor: Money
    currency: str
    lines: Annotated[list[PurchaseLine], Meta(max_length=500)] = []
    tax_minor: Money | None = None
    shipping_minor: Money | None = None
    store: str | None = None
    payment: str | None = None


class Refund(Struct, gc=False):
    order_id: str
    refund_id: str
    total_minor: Total
    currency: str
    reason: str | None = None


class CaseStep(Struct, gc=False):
    case_id: str
    step: str
    category: str | None = None
    severity: str | None = None
    note: str | None = None


class SurveyAbout(Struct, gc=False):
    type: str
    id: str


class Survey(Struct, gc=False):
    kind: str
    scale: Annotated[int, Meta(ge=1, le=1000)]
    score: Score | None = None
    expected: Score | None = None
    comment: str | None = None
    about: SurveyAbout | None = None


class Trait(Struct, gc=False):
    value: Raw


class Activity(Struct, gc=False):
    count: Count
    last_at: Moment


class Spend(Struct, gc=False):
    orders: Count
    gross_minor: Whole
    refunded_minor: Whole
    net_minor: Whole
    average_order_minor: Whole


class Order(Struct, gc=False):
    order_id: str


class Favourite(Struct, gc=False):
    name: str


class OpenCase(Struct, gc=False):
    case_id: str
    opened_at: Moment


class Satisfaction(Struct, gc=False):
    answers: Small
    asked: Small
    mean_permille: Whole | None
    latest_permille: Whole | None
    perceived_to_expected_permille: Whole | None


class OpenNeed(Struct, gc=False):
    category: str
    text: str


class OpportunityState(Struct, gc=False):
    opportunity_id: str
    step: str


class MembershipState(Struct, gc=False):
    programme: str
    step: str


class ConsentState(Struct, gc=False):
    purpose: str
    channel: str
    granted: bool


class Profile(Struct, gc=False):
    """A customer's snapshot."""

    customer_id: UUID
    sequence: Count
    as_of: Moment
    merged_into: UUID | None = None
    identifiers: list[Held] = []
    traits: dict[str, Trait] = {}
    emails: list[str] = []
    phones: list[str] = []
    first_seen_at: Moment | None = None
    last_seen_at: Moment | None = None
    touchpoints: Count = 0
    by_type: dict[str, Activity] = {}
    by_channel: dict[str, Activity] = {}
    usual_channel: str | None = None
    preferred_channel: str | None = None
    spend: dict[str, Spend] = {}
    recent_orders: list[Order] = []
    favourite_items: list[Favourite] = []
    favourite_categories: list[Favourite] = []
    first_order_at: Moment | None = None
    last_order_at: Moment | None = None
    orders: Count = 0
    lifecycle: str = "prospect"
    open_cases: list[OpenCase] = []
    cases: Small = 0
    satisfaction: dict[str, Satisfaction] = {}
    sentiment_permille: Whole | None = None
    response_seconds_mean: Whole | None = None
    responses: Small = 0
    awaiting_response: Small = 0
    open_needs: list[OpenNeed] = []
    opportunities: list[OpportunityState] = []
    memberships: list[MembershipState] = []
    consents: list[ConsentState] = []


class EntryPosted(Struct, gc=False):
    account_id: UUID
    sequence: Count
    recorded_at: Moment
    cause: str
    entry_id: str
    programme: str
    kind: str
    amount: Whole
    lot_id: str
    source_event: str
    rule: str | None
    rule_version: Small | None
    effective_at: Moment
    balance: Whole
    corrects: str | None = None
    corrected_kind: str | None = None
    ledger: str = "points"
    currency: str | None = None
    available_from: Moment | None = None
    expires_at: Moment | None = None


class TierChanged(Struct, gc=False):
    account_id: UUID
    sequence: Count
    recorded_at: Moment
    cause: str
    programme: str
    before: str | None
    after: str
    effective_at: Moment
    qualifying: Whole


class AccountMergedInto(Struct, gc=False):
    account_id: UUID
    sequence: Count
    recorded_at: Moment
    cause: str
    survivor: UUID


class RedemptionAccepted(Struct, gc=False):
    account_id: UUID
    sequence: Count
    recorded_at: Moment
    redemption_id: str
    customer_id: UUID
    anchor: UUID
    points: Whole
    occurred_at: Moment
    source: str
    balance: Whole
    why: str = ""


class OpenLot(Struct, gc=False):
    lot_id: str
    rule: str
    earned_at: Moment
    expires_at: Moment | None
    remaining: Whole


class Account(Struct, gc=False):
    """A loyalty account's snapshot."""

    account_id: UUID
    sequence: Count
    as_of: Moment
    programme: str
    merged_into: UUID | None = None
    balance: Whole = 0
    available: Whole = 0
    pending: Whole = 0
    earned: Whole = 0
    expired: Whole = 0
    redeemed: Whole = 0
    adjusted: Whole = 0
    tier: str = ""
    tier_since: Moment | None = None
    tier_until: Moment | None = None
    qualifying: Whole = 0
    next_expiry_at: Moment | None = None
    next_expiry_points: Whole = 0
    lots: list[OpenLot] = []


class Quarantined(Struct, gc=False):
    quarantine_id: str
    stage: str
    reason: str
    path: str
    detail: str
    received_at: Moment
    quarantined_at: Moment
    original: str
    encoding: str = "utf8"
    topic: str | None = None
    partition: Annotated[int, Meta(ge=0, le=2**31 - 1)] | None = None
    offset: Count | None = None
    event_id: str | None = None
    type: str | None = None
    source: str | None = None
    occurred_at: str | None = None


class QuarantineDecision(Struct, gc=False):
    decision_id: str
    quarantine_id: str
    decision: str
    decided_by: str
    decided_at: Moment
    why: str = ""
    fix: list[str] = []
    event_id: str | None = None


_PAYLOADS: dict[str, Any] = {
    "call": Talk,
    "email": Talk,
    "chat": Talk,
    "message": Talk,
    "social": Social,
    "purchase": Purchase,
    "refund": Refund,
    "case": CaseStep,
    "survey": Survey,
}
_payload_decoders = {kind: msgspec.json.Decoder(struct).decode for kind, struct in _PAYLOADS.items()}


def payload_of(touchpoint: Touchpoint) -> Any:
    """What projections need of its payload; None for types of which they keep the JSON only. Raises TooNew, for which they wait."""
    decode = _payload_decoders.get(touchpoint.type)
    return None if decode is None else decode(newest(touchpoint.type, touchpoint.version, touchpoint.payload))
