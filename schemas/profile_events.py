"""What the profile stage publishes: changes on ``profile-events``, whole customers on ``profiles``.

Every change carries its customer's ``sequence`` 1, 2, 3… without a hole. Identifiers move between customers; touchpoints
never do: a touchpoint belongs to whoever holds its *anchor* (its highest-priority identifier) now.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from schemas.times import CANONICAL_PATTERN

Moment = Annotated[str, Field(pattern=CANONICAL_PATTERN, description="UTC, RFC 3339 with six decimals")]
CustomerId = Annotated[
    str,
    Field(
        pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
        description="derived from an identifier",
    ),
]
Lifecycle = Literal["prospect", "new", "active", "at_risk", "lost", "won_back"]


class Published(BaseModel):
    """A message of Rapport's own: exactly these fields."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class HeldIdentifier(Published):
    """A normalised identifier and the id derived from it, which for ever resolves to the customer that holds it."""

    type: str
    value: str
    id: CustomerId


class ProfileEvent(Published):
    """What every change of a customer has."""

    customer_id: CustomerId
    sequence: int = Field(ge=1, description="1, 2, 3… for each customer, without a hole")
    recorded_at: Moment = Field(description="when the profile stage decided")
    cause: str = Field(description="event_id of the touchpoint that caused the change; `clock` for time alone; `rebuild`: was wrong before")


class AppliedTouchpoint(Published):
    """A touchpoint as it was taken in: identifiers normalised, the rest as the channel sent it."""

    event_id: str
    type: str
    version: int
    occurred_at: Moment
    received_at: Moment
    original_timestamp: Moment | None = None
    source: str
    identifiers: list[HeldIdentifier]
    payload: dict[str, Any]
    context: dict[str, Any]


class TouchpointApplied(ProfileEvent):
    """A touchpoint was counted for this customer, once."""

    event: Literal["touchpoint_applied"] = "touchpoint_applied"
    anchor: CustomerId = Field(description="id of the identifier that the touchpoint belongs to; never changes")
    joined: list[HeldIdentifier] = Field(description="identifiers that this customer holds from now on, not held by any before")
    touchpoint: AppliedTouchpoint


class CustomersMerged(ProfileEvent):
    """Another customer turned out to be this one: all it held is held here now."""

    event: Literal["customers_merged"] = "customers_merged"
    merged: CustomerId
    identifiers: list[HeldIdentifier] = Field(description="the identifiers that came with it; anchors among them bring their touchpoints")


class CustomerMergedInto(ProfileEvent):
    """This customer turned out to be another one, and holds nothing any more. Its id goes on to resolve. Said again where a late
    fact, or a link taken back, shows that it was yet another."""

    event: Literal["customer_merged_into"] = "customer_merged_into"
    survivor: CustomerId


class IdentifiersJoined(ProfileEvent):
    """A late fact showed that identifiers of another customer belong to this one."""

    event: Literal["identifiers_joined"] = "identifiers_joined"
    former: CustomerId | None = Field(description="the customer that held them before; null: nobody")
    identifiers: list[HeldIdentifier]


class IdentifiersLeft(ProfileEvent):
    """A late fact showed that identifiers of this customer belong to another one."""

    event: Literal["identifiers_left"] = "identifiers_left"
    holder: CustomerId = Field(description="the customer that holds them now")
    identifiers: list[HeldIdentifier]


class LinkRefused(ProfileEvent):
    """A touchpoint linked two identifiers that must not be one customer's: a possible duplicate, for a person to look at."""

    event: Literal["link_refused"] = "link_refused"
    anchor: HeldIdentifier = Field(description="the touchpoint's highest-priority identifier, held by this customer")
    refused: HeldIdentifier = Field(description="the identifier that stays where it was")
    reason: str = Field(description="`limit:TYPE`: one customer would hold too many of TYPE; `shared`: linked to too many customers")


class LifecycleChanged(ProfileEvent):
    """The customer moved from one stage of its life to another."""

    event: Literal["lifecycle_changed"] = "lifecycle_changed"
    before: Lifecycle | None
    after: Lifecycle
    effective_at: Moment = Field(description="the moment at which it became so")


PROFILE_EVENTS: dict[str, type[ProfileEvent]] = {
    "touchpoint_applied": TouchpointApplied,
    "customers_merged": CustomersMerged,
    "customer_merged_into": CustomerMergedInto,
    "identifiers_joined": IdentifiersJoined,
    "identifiers_left": IdentifiersLeft,
    "link_refused": LinkRefused,
    "lifecycle_changed": LifecycleChanged,
}


class Trait(Published):
    """The latest value of a trait, and the fact that said so."""

    value: Any
    occurred_at: Moment
    event_id: str


class Activity(Published):
    """How often and when last."""

    count: int
    last_at: Moment


class Spend(Published):
    """What was bought in one currency, in minor units."""

    orders: int
    gross_minor: int
    refunded_minor: int
    net_minor: int = Field(description="gross less refunded")
    average_order_minor: int = Field(description="gross / orders, rounded half up")


class Order(Published):
    """One of the latest orders."""

    order_id: str
    occurred_at: Moment
    total_minor: int
    currency: str
    refunded_minor: int = 0


class Favourite(Published):
    """An item or category by quantity bought."""

    name: str
    quantity: int


class OpenCase(Published):
    """A complaint that is not archived."""

    case_id: str
    step: str
    opened_at: Moment
    changed_at: Moment
    category: str | None
    severity: str | None


class Satisfaction(Published):
    """Answers to one kind of survey; scores as thousandths of the scale's top (csat 4 of 5: 800)."""

    answers: int
    asked: int
    mean_permille: int | None
    latest_permille: int | None
    latest_at: Moment | None
    perceived_to_expected_permille: int | None = Field(
        description="sum of perceived / sum of expected, over answers that say both; 1000: as expected"
    )


class ConsentState(Published):
    """The latest consent for one purpose on one channel."""

    purpose: str
    channel: str
    granted: bool
    wording_version: str | None
    occurred_at: Moment


class MembershipState(Published):
    """The latest step of one programme."""

    programme: str
    step: str
    occurred_at: Moment
    until: Moment | None


class OpenNeed(Published):
    """What the customer said to want and has not bought since."""

    category: str
    text: str
    occurred_at: Moment


class OpportunityState(Published):
    """The latest step of a sales opportunity."""

    opportunity_id: str
    step: str
    amount_minor: int | None
    currency: str | None
    occurred_at: Moment


class Profile(Published):
    """One customer, whole, as of ``sequence``: the message of the compacted topic ``profiles``.

    Of a customer merged into another, ``merged_into`` names it, and all else is empty.
    """

    customer_id: CustomerId
    sequence: int
    as_of: Moment = Field(description="when this snapshot was made")
    merged_into: CustomerId | None = None
    identifiers: list[HeldIdentifier] = []
    traits: dict[str, Trait] = {}
    emails: list[str] = Field([], description="contact points, of the identifiers")
    phones: list[str] = []
    first_seen_at: Moment | None = None
    last_seen_at: Moment | None = None
    touchpoints: int = 0
    by_type: dict[str, Activity] = {}
    by_channel: dict[str, Activity] = Field({}, description="by source: the channel instance")
    usual_channel: str | None = Field(None, description="the source with the most touchpoints")
    preferred_channel: str | None = Field(None, description="the trait preferred_channel, as declared")
    spend: dict[str, Spend] = Field({}, description="by currency")
    recent_orders: list[Order] = Field([], description="the latest twenty")
    favourite_items: list[Favourite] = []
    favourite_categories: list[Favourite] = []
    first_order_at: Moment | None = None
    last_order_at: Moment | None = None
    orders: int = Field(0, description="frequency: how many purchases")
    lifecycle: Lifecycle = "prospect"
    open_cases: list[OpenCase] = []
    cases: int = 0
    satisfaction: dict[str, Satisfaction] = Field({}, description="by kind of survey; empty without any: unknown, not satisfied")
    sentiment_permille: int | None = Field(None, description="mean sentiment, -1000 to 1000; null: unknown")
    response_seconds_mean: int | None = Field(None, description="first reply after the first inbound message, by conversation or case")
    responses: int = 0
    awaiting_response: int = Field(0, description="conversations and cases without a reply yet")
    open_needs: list[OpenNeed] = []
    opportunities: list[OpportunityState] = []
    memberships: list[MembershipState] = []
    consents: list[ConsentState] = []
