"""Messages as the profile and loyalty stages publish them, made from the published models so that they are real ones."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any
from uuid import UUID, uuid5

from pydantic import BaseModel

from schemas import loyalty_events as loyalty
from schemas import profile_events as profile
from schemas import quarantine, topics

SPACE = UUID("6d31c215-62ba-4a7a-884e-d4cc0ae57029")
AT = "2025-03-05T10:00:00.000000Z"


@dataclass(frozen=True)
class Said:
    """A Kafka record."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()
    partition: int = 0
    offset: int = 0
    timestamp: int = 1_741_168_800_000


def identifier_id(name: str) -> str:
    """The id of an identifier `type:value`; of a customer: of its first identifier."""
    return str(uuid5(SPACE, name))


def held(name: str) -> profile.HeldIdentifier:
    kind, _, value = name.partition(":")
    return profile.HeldIdentifier(type=kind, value=value, id=identifier_id(name))


class Story:
    """Says one thing after another, with notification ids and sequences as the stages would give them."""

    def __init__(self) -> None:
        self._ids, self._loyalty_ids, self._offsets = count(1), count(1), count()
        self._sequences: dict[tuple[str, str], int] = {}

    def touchpoint(
        self,
        event_id: str,
        type: str = "visit",
        payload: dict[str, Any] | None = None,
        *,
        by: str = "customer_id:1",
        customer: str | None = None,
        at: str = AT,
        source: str = "shop",
        joined: Sequence[str] = (),
        context: dict[str, Any] | None = None,
    ) -> Said:
        """`by` is the anchor; `customer` the first identifier of the customer that holds it (the anchor itself, unless said)."""
        payload = {"place": "page", "name": "home"} if payload is None else payload
        owner = identifier_id(customer or by)
        return self._profile_event(
            profile.TouchpointApplied(
                **self._head(owner, event_id),
                anchor=identifier_id(by),
                joined=[held(name) for name in joined],
                touchpoint=profile.AppliedTouchpoint(
                    event_id=event_id,
                    type=type,
                    version=1,
                    occurred_at=at,
                    received_at=at,
                    source=source,
                    identifiers=[held(by)],
                    payload=payload,
                    context=context or {},
                ),
            )
        )

    def merge(self, survivor: str, merged: str, *, bringing: Sequence[str], cause: str = "e") -> list[Said]:
        """What the profile stage says on both sides."""
        kept, gone = identifier_id(survivor), identifier_id(merged)
        identifiers = [held(name) for name in bringing]
        return [
            self._profile_event(profile.CustomersMerged(**self._head(kept, cause), merged=gone, identifiers=identifiers)),
            self._profile_event(profile.CustomerMergedInto(**self._head(gone, cause), survivor=kept)),
        ]

    def move(self, former: str, holder: str, identifiers: Sequence[str], cause: str = "e") -> list[Said]:
        before, now = identifier_id(former), identifier_id(holder)
        moved = [held(name) for name in identifiers]
        return [
            self._profile_event(profile.IdentifiersLeft(**self._head(before, cause), holder=now, identifiers=moved)),
            self._profile_event(profile.IdentifiersJoined(**self._head(now, cause), former=before, identifiers=moved)),
        ]

    def refuse(self, customer: str, anchor: str, refused: str, reason: str = "limit:customer_id") -> Said:
        head = self._head(identifier_id(customer), "e")
        return self._profile_event(profile.LinkRefused(**head, anchor=held(anchor), refused=held(refused), reason=reason))

    def grows(self, customer: str, before: Any, after: Any, at: str = AT) -> Said:
        head = self._head(identifier_id(customer), "clock")
        return self._profile_event(profile.LifecycleChanged(**head, before=before, after=after, effective_at=at))

    def snapshot(self, customer: str, sequence: int | None = None, **fields: Any) -> Said:
        id = identifier_id(customer)
        number = sequence or self._sequences.get(("profile", id), 1)
        if "merged_into" in fields:
            fields["merged_into"] = identifier_id(fields["merged_into"])
        else:
            fields.setdefault("identifiers", [held(customer)])
        message = profile.Profile(customer_id=id, sequence=number, as_of=AT, **fields)
        return self._snapshot(topics.PROFILES, id, message, number)

    def entry(self, account: str, amount: int, kind: Any = "earn", **fields: Any) -> Said:
        head = self._head(identifier_id(account), fields.pop("cause", "e"), "loyalty")
        message = loyalty.EntryPosted(
            account_id=head.pop("customer_id"),
            **head,
            **{
                "entry_id": f"{identifier_id(account)}:{head['sequence']}",
                "programme": "rapport",
                "kind": kind,
                "amount": amount,
                "lot_id": "e:base",
                "source_event": "e",
                "rule": "base",
                "rule_version": 1,
                "effective_at": AT,
                "balance": amount,
                **fields,
            },
        )
        return self._loyalty_event(message)

    def tier(self, account: str, before: str | None, after: str) -> Said:
        head = self._head(identifier_id(account), "e", "loyalty")
        return self._loyalty_event(
            loyalty.TierChanged(
                account_id=head.pop("customer_id"),
                **head,
                programme="rapport",
                before=before,
                after=after,
                effective_at=AT,
                qualifying=100,
            )
        )

    def account_merged(self, account: str, survivor: str) -> Said:
        head = self._head(identifier_id(account), f"merge:{identifier_id(survivor)}", "loyalty")
        return self._loyalty_event(loyalty.AccountMergedInto(account_id=head.pop("customer_id"), **head, survivor=identifier_id(survivor)))

    def account(self, account: str, sequence: int | None = None, **fields: Any) -> Said:
        id = identifier_id(account)
        number = sequence or self._sequences.get(("loyalty", id), 1)
        if "merged_into" in fields:
            fields["merged_into"] = identifier_id(fields["merged_into"])
        message = loyalty.Account(account_id=id, sequence=number, as_of=AT, programme="rapport", **fields)
        return self._snapshot(topics.LOYALTY_ACCOUNTS, id, message, number)

    def quarantined(self, quarantine_id: str, reason: str = "invalid", **fields: Any) -> Said:
        message = quarantine.Quarantined(
            **{
                "quarantine_id": quarantine_id,
                "stage": "ingest",
                "reason": reason,
                "path": "$.payload",
                "detail": "wrong",
                "received_at": AT,
                "quarantined_at": AT,
                "original": "{}",
                **fields,
            }
        )
        return Said(topics.QUARANTINE.name, quarantine_id.encode(), _json(message), (), offset=next(self._offsets))

    def decided(self, quarantine_id: str, decision: Any, decision_id: str = "d", **fields: Any) -> Said:
        """What a person decided about it."""
        message = quarantine.QuarantineDecision(
            **{
                "quarantine_id": quarantine_id,
                "decision_id": decision_id,
                "decision": decision,
                "decided_by": "ada",
                "decided_at": AT,
                **fields,
            }
        )
        headers = (("type", b"quarantine_decided"),)
        return Said(topics.QUARANTINE.name, quarantine_id.encode(), _json(message), headers, offset=next(self._offsets))

    def _head(self, customer: str, cause: str, stage: str = "profile") -> dict[str, Any]:
        sequence = self._sequences[stage, customer] = self._sequences.get((stage, customer), 0) + 1
        return {"customer_id": customer, "sequence": sequence, "recorded_at": AT, "cause": cause}

    def _profile_event(self, message: Any) -> Said:
        return _event(topics.PROFILE_CHANGES, message.customer_id, message, next(self._ids), next(self._offsets))

    def _loyalty_event(self, message: Any) -> Said:
        return _event(topics.LOYALTY_CHANGES, message.account_id, message, next(self._loyalty_ids), next(self._offsets))

    def _snapshot(self, topic: topics.Topic, key: str, message: BaseModel, sequence: int) -> Said:
        headers = (("sequence", b"%d" % sequence),)
        return Said(topic.name, key.encode(), _json(message), headers, offset=next(self._offsets))


def _event(topic: topics.Topic, key: str, message: Any, id: int, offset: int) -> Said:
    headers = (("id", b"%d" % id), ("type", message.event.encode()), ("sequence", b"%d" % message.sequence))
    return Said(topic.name, key.encode(), _json(message), headers, offset=offset)


def _json(message: BaseModel) -> bytes:
    return json.dumps(message.model_dump(mode="json"), ensure_ascii=False, separators=(",", ":")).encode()
