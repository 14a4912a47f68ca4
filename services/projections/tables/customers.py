"""Customers as their latest snapshot shows them, one column a fact."""

from collections.abc import Mapping

import msgspec

from schemas.currencies import minor_units
from services.projections.messages import Profile, Satisfaction, Spend, Trait, micros, micros_or_none
from services.projections.table import Row, Table

TABLE = Table(
    "customers",
    (
        "customer",
        "sequence",
        "as_of",
        "merged_into",
        "identifiers",
        "customer_ids",
        "emails",
        "phones",
        "traits",
        "first_seen_at",
        "last_seen_at",
        "touchpoints",
        "touchpoints_by_type",
        "last_by_type",
        "touchpoints_by_source",
        "usual_channel",
        "preferred_channel",
        "lifecycle",
        "orders",
        "currency",
        "divisor",
        "gross_minor",
        "refunded_minor",
        "net_minor",
        "average_order_minor",
        "net_minor_by_currency",
        "first_order_at",
        "last_order_at",
        "last_order_id",
        "favourite_items",
        "favourite_categories",
        "cases",
        "open_cases",
        "oldest_open_case_at",
        "surveys_asked",
        "surveys_answered",
        "csat_mean",
        "csat_latest",
        "nps_mean",
        "ces_mean",
        "perceived_to_expected",
        "sentiment",
        "response_seconds_mean",
        "responses",
        "awaiting_response",
        "open_needs",
        "opportunities",
        "memberships",
        "consents",
    ),
)
_NOTHING = Spend(orders=0, gross_minor=0, refunded_minor=0, net_minor=0, average_order_minor=0)
_UNKNOWN = Satisfaction(answers=0, asked=0, mean_permille=None, latest_permille=None, perceived_to_expected_permille=None)


def to_rows(id: int, profile: Profile) -> list[Row]:
    """``id`` is not used: a customer's own ``sequence`` says which snapshot is the latest."""
    currency, spend = usual_currency(profile.spend)
    csat = profile.satisfaction.get("csat", _UNKNOWN)
    return [
        (
            profile.customer_id,
            profile.sequence,
            micros(profile.as_of),
            profile.merged_into,
            [str(identifier) for identifier in profile.identifiers],
            [identifier.value for identifier in profile.identifiers if identifier.type == "customer_id"],
            profile.emails,
            profile.phones,
            {name: trait_text(trait) for name, trait in profile.traits.items()},
            micros_or_none(profile.first_seen_at),
            micros_or_none(profile.last_seen_at),
            profile.touchpoints,
            {name: activity.count for name, activity in profile.by_type.items()},
            {name: micros(activity.last_at) for name, activity in profile.by_type.items()},
            {name: activity.count for name, activity in profile.by_channel.items()},
            profile.usual_channel or "",
            profile.preferred_channel or "",
            profile.lifecycle,
            profile.orders,
            currency,
            minor_units(currency),
            spend.gross_minor,
            spend.refunded_minor,
            spend.net_minor,
            spend.average_order_minor,
            {name: sums.net_minor for name, sums in profile.spend.items()},
            micros_or_none(profile.first_order_at),
            micros_or_none(profile.last_order_at),
            profile.recent_orders[0].order_id if profile.recent_orders else "",
            [favourite.name for favourite in profile.favourite_items],
            [favourite.name for favourite in profile.favourite_categories],
            profile.cases,
            [case.case_id for case in profile.open_cases],
            min((micros(case.opened_at) for case in profile.open_cases), default=None),
            sum(kind.asked for kind in profile.satisfaction.values()),
            sum(kind.answers for kind in profile.satisfaction.values()),
            _share(csat.mean_permille),
            _share(csat.latest_permille),
            _share(profile.satisfaction.get("nps", _UNKNOWN).mean_permille),
            _share(profile.satisfaction.get("ces", _UNKNOWN).mean_permille),
            _share(csat.perceived_to_expected_permille),
            _share(profile.sentiment_permille),
            profile.response_seconds_mean,
            profile.responses,
            profile.awaiting_response,
            {need.category: need.text for need in profile.open_needs},
            {opportunity.opportunity_id: opportunity.step for opportunity in profile.opportunities},
            {membership.programme: membership.step for membership in profile.memberships},
            {f"{consent.purpose}/{consent.channel}": consent.granted for consent in profile.consents},
        )
    ]


def usual_currency(spend: Mapping[str, Spend]) -> tuple[str, Spend]:
    """The currency of most orders; of several, the one with the greatest sum, then the first by name."""
    if not spend:
        return "", _NOTHING
    return min(spend.items(), key=lambda entry: (-entry[1].orders, -entry[1].gross_minor, entry[0]))


def trait_text(trait: Trait) -> str:
    """A text as it is, anything else as JSON."""
    raw = bytes(trait.value)
    return msgspec.json.decode(raw, type=str) if raw.startswith(b'"') else raw.decode()


def _share(permille: int | None) -> float | None:
    return None if permille is None else permille / 1000
