"""The Kafka topics: who writes them, what keys and values they hold, and how long they are kept."""

from dataclasses import dataclass

from pydantic import BaseModel

from schemas.loyalty_events import LOYALTY_EVENTS, Account
from schemas.profile_events import PROFILE_EVENTS, Profile
from schemas.quarantine import MAX_MESSAGE_BYTES, Quarantined, QuarantineDecision
from schemas.touchpoints import Envelope


@dataclass(frozen=True)
class Topic:
    """One topic. ``partitions`` is the default of a new installation; more partitions are the unit of scale."""

    name: str
    what: str
    key: str
    messages: tuple[type[BaseModel], ...]
    partitions: int = 4
    compacted: bool = False
    headers: tuple[str, ...] = ("id", "type", "sequence", "traceparent")

    def config(self) -> dict[str, str]:
        """Kafka's settings of the topic: kept for ever, whole or by key."""
        policy = "compact" if self.compacted else "delete"
        return {"cleanup.policy": policy, "retention.ms": "-1", "max.message.bytes": str(MAX_MESSAGE_BYTES)}


TOUCHPOINTS = Topic(
    "touchpoints",
    "everything channels told us: the truth, kept for ever",
    "highest-priority identifier",
    (Envelope,),
    headers=("traceparent", "quarantine_id", "decision_id"),
)
PROFILE_CHANGES = Topic("profile-events", "each change of each customer, in order", "customer_id", tuple(PROFILE_EVENTS.values()))
PROFILES = Topic(
    "profiles",
    "the latest whole snapshot of each customer",
    "customer_id",
    (Profile,),
    compacted=True,
    headers=("id", "sequence"),
)
LOYALTY_CHANGES = Topic(
    "loyalty-events", "each entry, tier and redemption of each account, in order", "account_id", tuple(LOYALTY_EVENTS.values())
)
LOYALTY_ACCOUNTS = Topic(
    "loyalty-accounts",
    "the latest whole snapshot of each account",
    "account_id",
    (Account,),
    compacted=True,
    headers=("id", "sequence"),
)
QUARANTINE = Topic(
    "quarantine",
    "what could not be taken in, why, and what was decided about it",
    "quarantine_id",
    (Quarantined, QuarantineDecision),
    partitions=1,
)

TOPICS = (TOUCHPOINTS, PROFILE_CHANGES, PROFILES, LOYALTY_CHANGES, LOYALTY_ACCOUNTS, QUARANTINE)
