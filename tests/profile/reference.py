"""What identity means, as plainly as it can be said: links tried one after the other over the whole log, in fact order.

Shares no code with the stage but normalisation.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from services.profile.identifiers import IdentityPolicy, Name, derived_id, normalised


def customers(policy: IdentityPolicy, log: Iterable[dict[str, Any]]) -> dict[str, tuple[set[str], set[str]]]:
    """customer id → (identifiers, event ids)."""
    facts = sorted(
        (
            one["occurred_at"],
            one["event_id"],
            sorted({_name(policy, i) for i in one["identifiers"]}, key=lambda n: (policy.rank(n.type), n.key)),
            one["payload"]["step"] if one["type"] == "link" else "said",
        )
        for one in log
    )
    partners: dict[Name, set[Name]] = defaultdict(set)
    decided: dict[tuple[Name, Name], str] = {}
    for _, _, (anchor, *others), step in facts:
        for other in others:
            if step != "said":
                decided[anchor, other] = step
            elif policy.rank(anchor.type) < policy.rank(other.type):
                partners[other].add(anchor)
    shared = {name for name, stronger in partners.items() if len(stronger) > policy.partner_limit}
    groups: dict[Name, set[Name]] = {}
    first: dict[Name, tuple[str, str]] = {}
    for at, event_id, (anchor, *others), step in facts:
        for name in (anchor, *others):
            groups.setdefault(name, {name})
            first.setdefault(name, (at, event_id))
        for other in others if step == "said" else ():
            together = groups[anchor] | groups[other]
            if decided.get((anchor, other)) != "voided" and not {anchor, other} & shared and not _breaks(policy, together):
                for name in together:
                    groups[name] = together
    found: dict[str, tuple[set[str], set[str]]] = {}
    for group in {frozenset(group) for group in groups.values()}:
        leader = min(group, key=lambda n: (first[n], policy.rank(n.type), n.value))
        found[leader.id] = ({name.key for name in group}, {event_id for _, event_id, (anchor, *_), _ in facts if anchor in group})
    return found


def _name(policy: IdentityPolicy, identifier: dict[str, str]) -> Name:
    value = normalised(identifier["type"], identifier["value"], policy.default_region)
    key = f"{identifier['type']}:{value}"
    return Name(policy.rank(identifier["type"]), key, derived_id(key, policy.key), identifier["type"], value or "")


def _breaks(policy: IdentityPolicy, group: set[Name]) -> bool:
    return any(sum(name.type == kind for name in group) > limit for kind, limit in (policy.limits or {}).items())
