"""Touchpoints: everything a channel can tell about a customer, one model a type.

A channel sends JSON of this shape over HTTP, or writes it to the ``touchpoints`` topic itself. Fields that a payload
carries beyond those named here are kept and shown, never lost. Money is integer minor units (cents) and a currency.
"""

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

MAX_MONEY = 10**15
"""Greatest amount in minor units: what Decimal(18, 2) holds with room to add up."""

MOST_LINES = 500
"""Of one order."""

Text = Annotated[str, Field(max_length=20_000, pattern=r"^[^\x00]*$")]
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]
Money = Annotated[int, Field(ge=0, le=MAX_MONEY)]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$", description="ISO 4217 code, such as EUR")]
Seconds = Annotated[float, Field(ge=0, le=10**7, allow_inf_nan=False)]
Sentiment = Annotated[float, Field(ge=-1, le=1, allow_inf_nan=False, description="-1 angry, 0 neutral, 1 delighted")]
Score = Annotated[float, Field(ge=0, le=1000, allow_inf_nan=False)]
Direction = Annotated[Literal["inbound", "outbound"], Field(description="inbound: the customer spoke; outbound: we did")]
MailAction = Literal["sent", "delivered", "opened", "clicked", "bounced", "complained", "unsubscribed"]


class Open(BaseModel):
    """A message that keeps fields it does not know."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)


class Identifier(BaseModel):
    """One way a channel knows a customer."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    type: str = Field(
        pattern=r"^[a-z][a-z0-9_]{0,39}$",
        description="customer_id, loyalty_card, email, phone, handle, device, anonymous_id, or a type of your own",
    )
    value: str = Field(min_length=1, max_length=512, pattern=r"^[^\x00]*$")


class Call(Open):
    """A telephone call."""

    direction: Direction
    outcome: Literal["answered", "abandoned", "voicemail"]
    agent: Name | None = None
    queue: Name | None = None
    wait_seconds: Seconds | None = None
    duration_seconds: Seconds | None = None
    topic: Text | None = None
    sentiment: Sentiment | None = None
    case_id: Name | None = None


class Email(Open):
    """A mail of a person, or one step of a campaign's mail."""

    direction: Direction
    kind: Literal["message", "campaign"]
    action: MailAction
    campaign_id: Name | None = None
    subject: Text | None = None
    conversation_id: Name | None = None
    case_id: Name | None = None
    sentiment: Sentiment | None = None


class Chat(Open):
    """One message of a chat."""

    conversation_id: Name
    direction: Direction
    agent: Name | None = Field(None, description="the colleague, or the bot's name")
    bot: bool = False
    message: Text | None = None
    closed: bool = False
    sentiment: Sentiment | None = None


class Social(Open):
    """A mention, a reply, a direct message or a review on a social network."""

    network: Name
    kind: Literal["mention", "reply", "direct", "review"]
    handle: Name | None = None
    text: Text | None = None
    url: Text | None = None
    reach: Annotated[int, Field(ge=0)] | None = None
    sentiment: Sentiment | None = None
    direction: Direction = "inbound"
    conversation_id: Name | None = None


class Message(Open):
    """A short message: SMS, WeChat, WhatsApp, push."""

    network: Name
    direction: Direction
    text: Text | None = None
    campaign_id: Name | None = None
    action: MailAction | None = None
    conversation_id: Name | None = None


class Visit(Open):
    """A page, a screen or a shop that the customer visited."""

    place: Literal["page", "screen", "store"]
    name: Text
    referrer: Text | None = None
    campaign: Text | None = None


class PurchaseLine(Open):
    """One line of an order."""

    sku: Name
    name: Text | None = None
    category: Name | None = None
    quantity: Annotated[int, Field(ge=1, le=10**6)] = 1
    unit_price_minor: Money | None = Field(None, description="price of one, in minor units; null where only the total is known")


class Purchase(Open):
    """An order that was paid."""

    order_id: Name
    lines: Annotated[list[PurchaseLine], Field(max_length=MOST_LINES)] = []
    total_minor: Money = Field(description="what the customer paid, tax and shipping included, in minor units")
    tax_minor: Money | None = None
    shipping_minor: Money | None = None
    currency: Currency
    store: Name | None = None
    payment: Name | None = None


class RefundLine(Open):
    """One line of an order given back."""

    sku: Name
    quantity: Annotated[int, Field(ge=1, le=10**6)] = 1
    amount_minor: Money = Field(description="for the whole line, in minor units")


class RefundV1(Open):
    """Money given back for an order: name its lines, or an amount."""

    order_id: Name
    refund_id: Name
    lines: Annotated[list[RefundLine], Field(max_length=MOST_LINES)] = []
    amount_minor: Money | None = Field(None, description="the whole refund in minor units; null: the sum of its lines")
    currency: Currency
    reason: Text | None = None


class Refund(Open):
    """Money given back for an order. What was given back in all is always said, by the name that it has in a purchase; version 1 left it
    to whoever read it to add up the lines, and took a refund that said neither."""

    order_id: Name
    refund_id: Name
    total_minor: int = Field(
        ge=0, le=MOST_LINES * MAX_MONEY, description="what the customer got back, tax and shipping included, in minor units"
    )
    lines: Annotated[list[RefundLine], Field(max_length=MOST_LINES, description="what of the total is for which goods")] = []
    currency: Currency
    reason: Text | None = None


class Case(Open):
    """One step of a complaint: receive, classify, handle, answer, archive."""

    case_id: Name
    step: Literal["received", "classified", "assigned", "handled", "answered", "archived", "reopened"]
    category: Name | None = None
    severity: Literal["low", "normal", "high", "critical"] | None = None
    note: Text | None = None


class SurveyAbout(Open):
    """What a survey asks about."""

    type: Literal["case", "order", "call"]
    id: Name


class Survey(Open):
    """An answer to a survey. No answer means unknown, never satisfied."""

    kind: Literal["csat", "nps", "ces"]
    score: Score | None = Field(None, description="the perceived value; null: asked, not answered")
    scale: Annotated[int, Field(ge=1, le=1000)] = Field(description="the greatest possible score, such as 5 or 10")
    expected: Score | None = Field(None, description="what the customer expected, on the same scale")
    comment: Text | None = None
    about: SurveyAbout | None = None


class Opportunity(Open):
    """A step of a sales opportunity."""

    opportunity_id: Name
    step: Literal["opened", "qualified", "proposed", "won", "lost"]
    amount_minor: Money | None = None
    currency: Currency | None = None
    reason: Text | None = None


class Membership(Open):
    """A step of a (paid) membership."""

    programme: Name
    step: Literal["joined", "renewed", "lapsed", "cancelled"]
    fee_minor: Money | None = None
    currency: Currency | None = None
    until: AwareDatetime | None = None


class Need(Open):
    """What the customer said to want."""

    category: Name
    text: Text


class Identify(Open):
    """Traits, as the customer or a colleague told them. ``null`` removes a trait."""

    traits: dict[str, Any]


class Consent(Open):
    """A consent given or taken back."""

    purpose: Name
    channel: Name
    granted: bool
    wording_version: Name | None = None


class Link(Open):
    """A decision on what touchpoints with these identifiers say, that they are one customer's: it counts as never said, or counts
    again. Of several decisions the latest holds, whenever it arrives. Who holds what changes as with any late fact."""

    step: Literal["voided", "restored"]
    by: Name | None = Field(None, description="who decided")
    reason: Text | None = None


class Custom(Open):
    """Everything else: kept and shown."""

    name: Name
    properties: dict[str, Any] = {}


PAYLOADS: dict[tuple[str, int], type[Open]] = {
    ("call", 1): Call,
    ("email", 1): Email,
    ("chat", 1): Chat,
    ("social", 1): Social,
    ("message", 1): Message,
    ("visit", 1): Visit,
    ("purchase", 1): Purchase,
    ("refund", 1): RefundV1,
    ("refund", 2): Refund,
    ("case", 1): Case,
    ("survey", 1): Survey,
    ("opportunity", 1): Opportunity,
    ("membership", 1): Membership,
    ("need", 1): Need,
    ("identify", 1): Identify,
    ("consent", 1): Consent,
    ("link", 1): Link,
    ("custom", 1): Custom,
}
"""(type, version) → the model of its payload: the list of everything Rapport understands."""

TYPES = tuple(dict.fromkeys(kind for kind, _ in PAYLOADS))
NEWEST = {kind: max(version for of, version in PAYLOADS if of == kind) for kind in TYPES}
"""type → the version of it that everything is read as: see ``upcasting``."""


class Envelope(BaseModel):
    """What every touchpoint has, whatever its type."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    event_id: str = Field(
        min_length=1,
        max_length=200,
        pattern=r"^[^\x00]*$",
        description="the channel's own id, unique for ever; a repeat is dropped",
    )
    type: str = Field(min_length=1, max_length=40, description="one of: " + ", ".join(TYPES))
    version: int = Field(1, ge=1, le=1000, description="the version of the payload's schema")
    occurred_at: AwareDatetime = Field(description="when it happened, RFC 3339 with a time zone")
    received_at: AwareDatetime | None = Field(None, description="set by ingest")
    original_timestamp: AwareDatetime | None = Field(None, description="what the channel's own clock said, before correction")
    source: str = Field(min_length=1, max_length=100, pattern=r"^[^\x00]*$", description="which channel instance, such as shop-berlin")
    identifiers: list[Identifier] = Field(min_length=1, max_length=20, description="how the channel knows the customer")
    payload: dict[str, Any] = Field(description="depends on type; see below")
    context: dict[str, Any] = Field({}, description="anything about the circumstances: page, device, campaign, locale")
