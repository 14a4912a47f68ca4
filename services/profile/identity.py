"""Who is who: identifiers that touchpoints link, gathered into customers. Pure; equal for every order of arrival.

A touchpoint is *anchored* at its strongest identifier and links each of its other identifiers to that anchor. Links are
tried in fact order (``occurred_at``, ``event_id``, then strength); one that would let a customer hold more values of a
type than its limit is refused. Groups only grow along the way, so of each pair only the earliest fact matters.

A ``LinkedSet`` is everything that links connect, limits ignored: what one late fact can change, and no more. While it
breaks no limit it is one customer; otherwise its links are tried again from the first. A value linked to more than
``partner_limit`` stronger identifiers is *shared*: its links are void, and it holds on its own.

A person may *decide* on a link: it counts as never made, or counts again. Of several decisions on a pair the latest in fact
order holds, whether it came before or after what it decides on.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

import msgspec

from services.profile.identifiers import Held, IdentityPolicy, Name

_id_of = attrgetter("id")

Fact = tuple[str, str]
"""(occurred_at, event_id): fact order is tuple order."""
Decision = tuple[str, str, bool]
"""(occurred_at, event_id, whether the link counts): the greatest holds."""


class Member(msgspec.Struct, array_like=True):
    """An identifier within its set. ``customer`` is the id of the group that holds it.

    ``partners`` are the stronger identifiers that ever stood beside it, voided links included, until there are too many.
    """

    id: str
    type: str
    value: str
    first: Fact
    customer: str = ""
    anchored: bool = False
    shared: bool = False
    partners: list[str] = []


def held(member: Member) -> Any:
    """A ``HeldIdentifier``."""
    return Held(type=member.type, value=member.value, id=member.id)


class LinkedSet(msgspec.Struct, array_like=True):
    """Identifiers connected by links, or by decisions on them. ``links[a][b]`` is the earliest fact that linked b to its anchor
    a; ``decided[a][b]`` the latest decision on that link, which need not have been made."""

    id: str
    members: dict[str, Member]
    links: dict[str, dict[str, Fact]]
    refused: list[tuple[str, str]] = []
    decided: dict[str, dict[str, Decision]] = {}


@dataclass(slots=True)
class Moved:
    """An identifier that another customer holds now; ``before`` is None where nobody did."""

    member: Member
    before: str | None


@dataclass(slots=True)
class Observed:
    """What one touchpoint changed. ``sets`` take the place of those that were given; ``anchor`` is the touchpoint's."""

    anchor: Member
    sets: list[LinkedSet]
    moved: list[Moved] = field(default_factory=list)
    refused: list[tuple[Member, Member, str]] = field(default_factory=list)


def is_known(found: LinkedSet, names: Sequence[Name], fact: Fact) -> bool:
    """Whether a touchpoint with these identifiers, strongest first, says nothing new about who is who: the common case."""
    members = found.members
    anchor = members.get(names[0].key)
    if anchor is None or not anchor.anchored or fact < anchor.first:
        return False
    if len(names) == 1:
        return True
    links = found.links.get(names[0].key, {})
    for name in names[1:]:
        member, first = members.get(name.key), links.get(name.key)
        if member is None or first is None or fact < first or fact < member.first:
            return False
    return True


def first_seen(policy: IdentityPolicy, names: Sequence[Name], fact: Fact) -> LinkedSet | None:
    """The set of identifiers of which none was ever seen: what ``observe`` would make of them, at a tenth of the work.

    None where a limit stands in the way.
    """
    limits = policy.limits or {}
    anchor = names[0]
    members: dict[str, Member] = {}
    seen_types: dict[str, int] = {}
    for name in names:
        if name.type in limits:
            seen_types[name.type] = seen_types.get(name.type, 0) + 1
        partners = [anchor.key] if name.rank > anchor.rank else []
        members[name.key] = Member(name.id, name.type, name.value, fact, anchor.id, partners=partners)
    if _breaks(limits, seen_types):
        return None
    members[anchor.key].anchored = True
    links = {anchor.key: {name.key: fact for name in names[1:]}} if len(names) > 1 else {}
    return LinkedSet(anchor.id, members, links)


def extended(policy: IdentityPolicy, found: LinkedSet, names: Sequence[Name], fact: Fact) -> list[Member] | None:
    """Takes in, in place, a touchpoint of which some identifiers are in ``found`` and the others were never seen, where it moves
    nobody to another customer: what ``observe`` would make of it, in two fifths of the time. The members that are new.

    None, with nothing changed, where a fact is late, a limit is near or something was refused, shared or decided.
    """
    members, anchor, others = found.members, names[0], names[1:]
    weaker = [name for name in others if name.rank > anchor.rank]
    new = [name for name in names if name.key not in members]
    known = [members[name.key] for name in names if name.key in members]
    if found.refused or found.decided or any(member.shared or fact <= member.first for member in known):
        return None
    if any(_has_partners_enough(policy, members.get(name.key), anchor.key) for name in weaker):
        return None
    if new and (len(members) < 2 or _breaks(policy.limits or {}, _counts(policy.limits or {}, [*members.values(), *new]))):
        return None
    joined = _joined(members, new, fact)
    members[anchor.key].anchored = True
    for name in weaker:
        if anchor.key not in members[name.key].partners:
            members[name.key].partners.append(anchor.key)
    _add_links(found, anchor.key, [name.key for name in others], fact)
    return joined


def _has_partners_enough(policy: IdentityPolicy, member: Member | None, anchor: str) -> bool:
    """Whether one more would make it shared."""
    partners = member.partners if member else []
    return len(partners) >= policy.partner_limit and anchor not in partners


def _joined(members: dict[str, Member], new: Iterable[Name], fact: Fact) -> list[Member]:
    """New members in the order in which ``observe`` unites sets of one: by id."""
    customer = next(iter(members.values())).customer
    joined = []
    for name in sorted(new, key=_id_of):
        members[name.key] = member = Member(name.id, name.type, name.value, fact, customer)
        joined.append(member)
    return joined


def observe(policy: IdentityPolicy, known: Iterable[LinkedSet], names: Sequence[Name], fact: Fact, counts: bool | None = None) -> Observed:
    """Takes one touchpoint in. ``known`` are the sets that hold any of ``names``; they are used up (changed or dropped).

    ``names`` are distinct, strongest first (``strongest_first``). ``counts``: None for a touchpoint that links them; else it
    decides whether these links count. The result is a function of all facts seen, whatever their order.
    """
    sets = list({one.id: one for one in known}.values())
    place = {key: one for one in sets for key in one.members}
    for name in names:
        if name.key not in place:
            place[name.key] = fresh = LinkedSet(name.id, {name.key: Member(name.id, name.type, name.value, fact)}, {})
            sets.append(fresh)
        member = place[name.key].members[name.key]
        member.first = min(member.first, fact)
    anchor = place[names[0].key].members[names[0].key]
    anchor.anchored = True
    others = [place[name.key].members[name.key] for name in names[1:]]
    newly_shared = [member for member in others if counts is None and _becomes_shared(policy, member, anchor, names[0].key)]
    linking = [] if anchor.shared else [name.key for name, member in zip(names[1:], others, strict=True) if not member.shared]
    joined = {one.id: one for one in (place[key] for key in (names[0].key, *linking))}
    whole = _united(joined.values())
    if counts is None:
        _add_links(whole, names[0].key, linking, fact)
    else:
        _add_decisions(whole, names[0].key, linking, (*fact, counts))
    results = [whole, *(one for one in sets if one.id not in joined)]
    observed = Observed(anchor, [])
    for one in results:
        observed.sets += _without_shared(one, newly_shared, observed)
    for one in observed.sets:
        _regroup(policy, one, observed)
    return observed


def strongest_first(names: Iterable[Name]) -> list[Name]:
    """Distinct identifiers by strength, then value."""
    return sorted({name.key: name for name in names}.values())


def _united(sets: Iterable[LinkedSet]) -> LinkedSet:
    """One set of several: the largest takes in the others."""
    largest, *others = sorted(sets, key=lambda one: (-len(one.members), one.id))
    for other in others:
        largest.members.update(other.members)
        largest.links.update(other.links)
        largest.refused += other.refused
        largest.decided.update(other.decided)
    return largest


def _becomes_shared(policy: IdentityPolicy, member: Member, anchor: Member, anchor_key: str) -> bool:
    """Counts a stronger partner; true for the one that is too many."""
    if member.shared or policy.rank(anchor.type) >= policy.rank(member.type) or anchor_key in member.partners:
        return False
    member.partners.append(anchor_key)
    if len(member.partners) <= policy.partner_limit:
        return False
    member.shared, member.partners = True, []
    return True


def _add_links(whole: LinkedSet, anchor: str, others: Sequence[str], fact: Fact) -> None:
    if others:
        links = whole.links.setdefault(anchor, {})
        for other in others:
            links[other] = min(links.get(other, fact), fact)


def _add_decisions(whole: LinkedSet, anchor: str, others: Sequence[str], decision: Decision) -> None:
    if others:
        decided = whole.decided.setdefault(anchor, {})
        for other in others:
            decided[other] = max(decided.get(other, decision), decision)


def _is_void(one: LinkedSet, a: str, b: str) -> bool:
    decision = one.decided.get(a, {}).get(b)
    return decision is not None and not decision[2]


def _without_shared(one: LinkedSet, newly_shared: Sequence[Member], observed: Observed) -> list[LinkedSet]:
    """The set without the links of identifiers that have become shared: often several sets."""
    gone = {key for key, member in one.members.items() if any(member is shared for shared in newly_shared)}
    if not gone:
        return [one]
    for a, b, _ in list(_links(one)):
        if a in gone or b in gone:
            del one.links[a][b]
            if not _is_void(one, a, b):
                observed.refused.append((one.members[a], one.members[b], "shared"))
    one.links = {a: others for a, others in one.links.items() if others}
    decided = {a: {b: said for b, said in others.items() if b not in gone} for a, others in one.decided.items() if a not in gone}
    one.decided = {a: others for a, others in decided.items() if others}
    return _components(one)


def _components(whole: LinkedSet) -> list[LinkedSet]:
    """The connected parts that are left after links were voided, each with its own id."""
    parent = {key: key for key in whole.members}
    for a, b in [*((a, b) for a, b, _ in _links(whole)), *((a, b) for a, others in whole.decided.items() for b in others)]:
        parent[_root(parent, b)] = _root(parent, a)
    parts: dict[str, LinkedSet] = {}
    for key, member in whole.members.items():
        root = _root(parent, key)
        part = parts.setdefault(root, LinkedSet(whole.members[root].id, {}, {}))
        part.members[key] = member
        if links := whole.links.get(key):
            part.links[key] = links
        if decided := whole.decided.get(key):
            part.decided[key] = decided
    for a, b in whole.refused:
        if b in whole.links.get(a, {}):
            parts[_root(parent, a)].refused.append((a, b))
    return list(parts.values())


def _regroup(policy: IdentityPolicy, one: LinkedSet, observed: Observed) -> None:
    """Finds the set's customers anew, and notes who moved and what was refused for the first time."""
    groups, refused = _groups(policy, one)
    before = set(one.refused)
    one.refused = [(a, b) for a, b, _ in refused]
    observed.refused += [(one.members[a], one.members[b], why) for a, b, why in refused if (a, b) not in before]
    for group in groups:
        customer = min(group, key=lambda m: (m.first, policy.rank(m.type), m.value)).id
        for member in group:
            if member.customer != customer:
                observed.moved.append(Moved(member, member.customer or None))
                member.customer = customer


def _groups(policy: IdentityPolicy, one: LinkedSet) -> tuple[list[list[Member]], list[tuple[str, str, str]]]:
    limits = policy.limits or {}
    if not one.decided and not _breaks(limits, _counts(limits, one.members.values())):
        return [list(one.members.values())], []
    parent = {key: key for key in one.members}
    counts = {key: _counts(limits, [member]) for key, member in one.members.items()}
    refused: list[tuple[str, str, str]] = []
    for a, b, _ in sorted(_links(one), key=lambda link: (link[2], policy.rank(one.members[link[1]].type), link[1], link[0])):
        left, right = _root(parent, a), _root(parent, b)
        if left == right or _is_void(one, a, b):
            continue
        together = {kind: counts[left].get(kind, 0) + counts[right].get(kind, 0) for kind in counts[left] | counts[right]}
        if broken := _breaks(limits, together):
            refused.append((a, b, f"limit:{broken}"))
            continue
        parent[right] = left
        counts[left] = together
    groups: dict[str, list[Member]] = {}
    for key, member in one.members.items():
        groups.setdefault(_root(parent, key), []).append(member)
    return list(groups.values()), refused


def _counts(limits: Mapping[str, int], members: Iterable[Member | Name]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for member in members:
        if member.type in limits:
            counts[member.type] = counts.get(member.type, 0) + 1
    return counts


def _breaks(limits: Mapping[str, int], counts: dict[str, int]) -> str | None:
    return next((kind for kind in sorted(counts) if counts[kind] > limits[kind]), None)


def _links(one: LinkedSet) -> Iterator[tuple[str, str, Fact]]:
    for a, others in one.links.items():
        for b, fact in others.items():
            yield a, b, fact


def _root(parent: dict[str, str], key: str) -> str:
    while parent[key] != key:
        parent[key] = key = parent[parent[key]]
    return key
