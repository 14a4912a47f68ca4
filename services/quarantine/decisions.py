"""A person's decision as the message that the topic ``quarantine`` keeps."""

from collections.abc import Iterable
from typing import Literal, NamedTuple

from schemas.quarantine import QuarantineDecision
from services.quarantine.redriving import Admitted
from services.quarantine.rules import Rule

Headers = list[tuple[str, bytes]]


class Told(NamedTuple):
    """A message for Kafka."""

    key: bytes
    value: bytes
    headers: Headers


class Decider(NamedTuple):
    """Who decides, when (canonical), and why."""

    who: str
    at: str
    why: str = ""


def decided(
    decider: Decider,
    decision: Literal["redriven", "discarded"],
    quarantine_id: str,
    decision_id: str,
    rules: Iterable[Rule] = (),
    event_id: str | None = None,
) -> Told:
    """The message for the topic ``quarantine``."""
    message = QuarantineDecision(
        decision_id=decision_id,
        quarantine_id=quarantine_id,
        decision=decision,
        decided_by=decider.who,
        decided_at=decider.at,
        why=decider.why,
        fix=[rule.text for rule in rules],
        event_id=event_id,
    )
    return Told(quarantine_id.encode(), message.model_dump_json().encode(), [("type", b"quarantine_decided")])


def redriven(one: Admitted, key: bytes, decision_id: str) -> Told:
    """The message for the topic ``touchpoints``, with where it comes from."""
    headers = [("quarantine_id", one.quarantine_id.encode("ascii", "replace")), ("decision_id", decision_id.encode())]
    return Told(key, one.value, headers)
