"""A customer shown whole: facts and identifiers → the message of the ``profiles`` topic. Pure."""

from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Any

import msgspec

from schemas import profile_events as published
from schemas import times
from schemas.compiled import struct_of
from services.profile.facts import Facts, refunded
from services.profile.identity import Member, held

FAVOURITES = 5
_second = itemgetter(1)
_encode = msgspec.json.Encoder().encode
_Trait = struct_of(published.Trait)
_Activity = struct_of(published.Activity)
_Spend = struct_of(published.Spend)
_Order = struct_of(published.Order)
_Favourite = struct_of(published.Favourite)
_Case = struct_of(published.OpenCase)
_Satisfaction = struct_of(published.Satisfaction)
_Need = struct_of(published.OpenNeed)
_Opportunity = struct_of(published.OpportunityState)
_Membership = struct_of(published.MembershipState)
_Consent = struct_of(published.ConsentState)


def profile_json(customer_id: str, sequence: int, as_of: str, lifecycle: str, members: Sequence[Member], facts: Facts) -> bytes:
    """The JSON of a living customer's ``Profile``. Fields that hold their default are left out."""
    shown: dict[str, Any] = {"customer_id": customer_id, "sequence": sequence, "as_of": as_of, "lifecycle": lifecycle}
    shown["identifiers"] = [held(member) for member in sorted(members, key=_by_type)]
    _reached(shown, members)
    if facts.count:
        _seen(shown, facts)
    if facts.spend or facts.refunds:
        _bought(shown, facts)
    if facts.cases or facts.conversations:
        _cared_for(shown, facts)
    if facts.surveys or facts.sentiment[0]:
        _felt(shown, facts)
    _wanted(shown, facts)
    return _encode(shown)


def merged_json(customer_id: str, sequence: int, as_of: str, survivor: str) -> bytes:
    """The JSON of the ``Profile`` of a customer that was merged into another."""
    return _encode({"customer_id": customer_id, "sequence": sequence, "as_of": as_of, "merged_into": survivor})


def _by_type(member: Member) -> tuple[str, str]:
    return member.type, member.value


def _reached(shown: dict[str, Any], members: Sequence[Member]) -> None:
    for kind, field in (("email", "emails"), ("phone", "phones")):
        if values := [member.value for member in members if member.type == kind]:
            shown[field] = sorted(values)


def _seen(shown: dict[str, Any], facts: Facts) -> None:
    shown["first_seen_at"], shown["last_seen_at"], shown["touchpoints"] = facts.first, facts.last, facts.count
    channels = sorted(facts.channels.items())
    shown["by_type"], shown["by_channel"] = _activity(sorted(facts.types.items())), _activity(channels)
    shown["usual_channel"] = max(channels, key=_second)[0]  # of several with the most the latest, then the first by name
    if facts.traits:
        shown["traits"] = {name: _trait(said) for name, said in sorted(facts.traits.items()) if said[2] is not None}
        declared = facts.traits.get("preferred_channel", (None, None, None))[2]
        shown["preferred_channel"] = declared if isinstance(declared, str) else None


def _bought(shown: dict[str, Any], facts: Facts) -> None:
    by_currency, by_order = refunded(facts)
    shown["spend"] = {currency: _spend(sums, by_currency.get(currency, 0)) for currency, sums in sorted(facts.spend.items())}
    shown["recent_orders"] = [_order(said, by_order) for said in reversed(facts.orders)]
    shown["favourite_items"] = _favourites(facts.items)
    shown["favourite_categories"] = _favourites({name: tally[0] for name, tally in facts.categories.items()})
    shown["first_order_at"], shown["last_order_at"] = facts.first_order, facts.orders[-1][0] if facts.orders else None
    shown["orders"] = sum(sums[0] for sums in facts.spend.values())


def _cared_for(shown: dict[str, Any], facts: Facts) -> None:
    answered = [reply - inbound for inbound, reply in _first_replies(facts)]
    shown["open_cases"] = [_case(case_id, said) for case_id, said in sorted(facts.cases.items()) if said[1][2] != "archived"]
    shown["cases"] = len(facts.cases)
    shown["response_seconds_mean"] = _mean(sum(answered), len(answered) * 1_000_000)
    shown["responses"], shown["awaiting_response"] = len(answered), _awaiting(facts)


def _felt(shown: dict[str, Any], facts: Facts) -> None:
    shown["satisfaction"] = {kind: _satisfaction(said) for kind, said in sorted(facts.surveys.items())}
    shown["sentiment_permille"] = _mean(facts.sentiment[1], facts.sentiment[0])


def _wanted(shown: dict[str, Any], facts: Facts) -> None:
    if facts.needs:
        shown["open_needs"] = _open_needs(facts)
    if facts.opportunities:
        shown["opportunities"] = [_opportunity(name, said) for name, said in sorted(facts.opportunities.items())]
    if facts.memberships:
        shown["memberships"] = [_membership(name, said) for name, said in sorted(facts.memberships.items())]
    if facts.consents:
        shown["consents"] = _consents(facts)


def _first_replies(facts: Facts) -> Iterable[tuple[int, int]]:
    """(first inbound, first reply) of every conversation and case that has both, in microseconds since 1970."""
    for inbound, replies in facts.conversations.values():
        if inbound is not None and replies and replies[-1] >= inbound:
            yield times.to_micros(inbound), times.to_micros(replies[-1])


def _awaiting(facts: Facts) -> int:
    return sum(1 for inbound, replies in facts.conversations.values() if inbound and not (replies and replies[-1] >= inbound))


def _open_needs(facts: Facts) -> list[Any]:
    """Needs in whose category nothing was bought since."""
    return [
        _Need(category=category, text=text, occurred_at=at)
        for category, (at, _, text) in sorted(facts.needs.items())
        if facts.categories.get(category, (0, ""))[1] < at
    ]


def _trait(said: list[Any]) -> Any:
    return _Trait(value=said[2], occurred_at=said[0], event_id=said[1])


def _activity(tallies: Iterable[tuple[str, list[Any]]]) -> dict[str, Any]:
    return {name: _Activity(count=count, last_at=last) for name, (count, last) in tallies}


def _spend(sums: list[int], refunded_minor: int) -> Any:
    orders, gross = sums
    return _Spend(
        orders=orders,
        gross_minor=gross,
        refunded_minor=refunded_minor,
        net_minor=gross - refunded_minor,
        average_order_minor=(2 * gross + orders) // (2 * orders),
    )


def _order(said: list[Any], by_order: dict[str, int]) -> Any:
    at, _, order_id, total, currency = said
    return _Order(order_id=order_id, occurred_at=at, total_minor=total, currency=currency, refunded_minor=by_order.get(order_id, 0))


def _favourites(quantities: dict[str, int]) -> list[Any]:
    """Those of which most was bought; of equals, the first by name."""
    least = sorted(quantities.values(), reverse=True)[:FAVOURITES][-1] if quantities else 0
    most = sorted([entry for entry in quantities.items() if entry[1] >= least])
    most.sort(key=_second, reverse=True)
    return [_Favourite(name=name, quantity=quantity) for name, quantity in most[:FAVOURITES]]


def _case(case_id: str, said: list[Any]) -> Any:
    opened, step, category, severity = said
    return _Case(
        case_id=case_id,
        step=step[2],
        opened_at=opened,
        changed_at=step[0],
        category=category and category[2],
        severity=severity and severity[2],
    )


def _satisfaction(said: list[Any]) -> Any:
    asked, answers, total, perceived, expected, latest = said
    return _Satisfaction(
        answers=answers,
        asked=asked,
        mean_permille=_mean(total, answers),
        latest_permille=latest and latest[2],
        latest_at=latest and latest[0],
        perceived_to_expected_permille=_mean(perceived * 1000, expected),
    )


def _mean(total: int, count: int) -> int | None:
    """Rounded half up; None of nothing."""
    return (2 * total + count) // (2 * count) if count else None


def _opportunity(name: str, said: list[Any]) -> Any:
    at, _, step, amount, currency = said
    return _Opportunity(opportunity_id=name, step=step, amount_minor=amount, currency=currency, occurred_at=at)


def _membership(name: str, said: list[Any]) -> Any:
    at, _, step, until = said
    return _Membership(programme=name, step=step, occurred_at=at, until=until)


def _consents(facts: Facts) -> list[Any]:
    return [
        _Consent(purpose=purpose, channel=channel, granted=granted, wording_version=wording, occurred_at=at)
        for purpose, by_channel in sorted(facts.consents.items())
        for channel, (at, _, granted, wording) in sorted(by_channel.items())
    ]
