"""What the loyalty stage publishes: entries, tiers and redemptions on ``loyalty-events``, whole accounts on ``loyalty-accounts``.

Posted entries are never edited. When a late fact, a refund or a merge changes what should have been posted, the difference
is posted as entries of kind ``compensate``, so the entries of an account always add up to its balance.
"""

from typing import Annotated, Literal

from pydantic import Field

from schemas.profile_events import CustomerId, Moment, Published

EntryKind = Literal["earn", "bonus", "reverse", "expire", "redeem", "adjust", "settle", "compensate"]
"""``settle``: points of one lot make up for points that another owes, in two or more entries that add up to nothing."""


class LoyaltyEvent(Published):
    """What every change of an account has. An account's id is its customer's."""

    account_id: CustomerId
    sequence: int = Field(ge=1, description="1, 2, 3… for each account, without a hole")
    recorded_at: Moment = Field(description="when the loyalty stage posted it")
    cause: str = Field(
        description="event_id of the touchpoint, `redemption:ID`, `clock`, `merge:CUSTOMER`, `programme:VERSION` or `rebuild`"
    )


class EntryPosted(LoyaltyEvent):
    """One entry of the ledger."""

    event: Literal["entry_posted"] = "entry_posted"
    entry_id: str = Field(description="unique for ever: ACCOUNT:SEQUENCE")
    programme: str
    ledger: Literal["points", "stored_value"] = "points"
    currency: str | None = Field(None, description="of stored_value; null for points")
    kind: EntryKind
    corrects: str | None = Field(None, description="of compensate: the entry_id of the entry that should have been otherwise")
    corrected_kind: EntryKind | None = Field(None, description="of compensate: the kind of that entry; null: the entry's own kind counts")
    amount: int = Field(description="points, or minor units of the currency; negative takes away")
    lot_id: str = Field(description="the lot that the entry adds to or takes from: SOURCE_EVENT:RULE, with :YEAR for a birthday")
    source_event: str = Field(
        description="event_id of the touchpoint that earned the lot, or took from it; `redemption:ID` for points spent"
    )
    rule: str | None
    rule_version: int | None
    effective_at: Moment = Field(description="the moment of the fact (event time), or at which the lot expired")
    available_from: Moment | None = None
    expires_at: Moment | None = None
    balance: int = Field(description="the account's balance after this entry")


class TierChanged(LoyaltyEvent):
    """The account moved to another tier; or, where ``before`` is ``after``, it keeps its tier for longer than was said, or has it since
    another moment than was said. Its snapshot shows since when and until when."""

    event: Literal["tier_changed"] = "tier_changed"
    programme: str
    before: str | None
    after: str
    effective_at: Moment
    qualifying: int = Field(description="points or minor units in the trailing window that decided")


class AccountMergedInto(LoyaltyEvent):
    """The account's customer was merged: what it held is posted anew in the survivor's account."""

    event: Literal["account_merged_into"] = "account_merged_into"
    survivor: CustomerId


RedemptionId = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
MAX_POINTS = 10**12
Points = Annotated[int, Field(ge=1, le=MAX_POINTS)]
Why = Annotated[str, Field(max_length=2_000, pattern=r"^[^\x00]*$")]


class RedemptionAccepted(LoyaltyEvent):
    """Points were spent: a command that was accepted, and is never decided again. The entries of kind `redeem` that follow say of which
    lots. It is a fact that no touchpoint tells, so this message is where it is kept for ever: it belongs to whoever holds `anchor`."""

    event: Literal["redemption_accepted"] = "redemption_accepted"
    redemption_id: RedemptionId = Field(description="of the command, unique for ever: whoever sends it again spends nothing more")
    customer_id: CustomerId = Field(description="the customer as the command named it; account_id is who that was then")
    anchor: CustomerId = Field(
        description="id of the identifier under which it is kept: of those whose facts earned the points, the main one"
    )
    points: Points
    occurred_at: Moment = Field(description="its moment among the facts of its account")
    source: str = Field(description="name of the key that it came with")
    why: Why = Field("", description="in the words of whoever sent it")
    balance: int = Field(description="the account's balance after it")


LOYALTY_EVENTS: dict[str, type[LoyaltyEvent]] = {
    "entry_posted": EntryPosted,
    "tier_changed": TierChanged,
    "account_merged_into": AccountMergedInto,
    "redemption_accepted": RedemptionAccepted,
}


class OpenLot(Published):
    """Points of one source that are not used up; or, where ``remaining`` is negative, owed: taken back after they were spent."""

    lot_id: str
    source_event: str
    rule: str
    rule_version: int
    earned_at: Moment
    available_from: Moment
    expires_at: Moment | None
    remaining: int


class Account(Published):
    """One loyalty account, whole, as of ``sequence``: the message of the compacted topic ``loyalty-accounts``."""

    account_id: CustomerId
    sequence: int
    as_of: Moment
    merged_into: CustomerId | None = None
    programme: str
    balance: int = Field(0, description="points, the sum of the ledger; negative after a refund of spent points")
    available: int = Field(0, description="points that can be spent now")
    pending: int = Field(0, description="points whose available_from lies ahead")
    earned: int = Field(0, description="earned and bonus points in all, less reversals")
    expired: int = 0
    redeemed: int = 0
    adjusted: int = Field(0, description="given less taken by hand; balance = earned - expired - redeemed + adjusted")
    tier: str = ""
    tier_since: Moment | None = None
    tier_until: Moment | None = Field(None, description="when the tier is looked at again")
    qualifying: int = Field(0, description="points or spend in the trailing window")
    next_expiry_at: Moment | None = None
    next_expiry_points: int = 0
    lots: list[OpenLot] = Field([], description="those that expire first, then debts; at most 500")
    further_lots: int = Field(0, description="open lots and debts that are not listed")
