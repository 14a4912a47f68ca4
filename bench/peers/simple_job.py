"""The job that Rapport and its peers are compared in, as a plain fold. Standard library only: each peer runs in an environment of its own.

Of a touchpoint whose ``event_id`` was never seen before: count it, add up what was bought by currency and the points for it (one for
each whole unit), remember when the customer was last seen, and publish one message. What was seen before changes nothing, for ever.
A customer is the key of its Kafka record.
"""

from typing import Any, TypedDict


class Profile(TypedDict):
    """What is known of one customer. ``last_seen``: RFC 3339, UTC, the greatest that was seen."""

    counts: dict[str, int]
    spend_minor: dict[str, int]
    points: int
    last_seen: str


class Published(TypedDict):
    """The message about one touchpoint. ``profile``: after it."""

    event_id: str
    type: str
    points: int
    profile: Profile


def new_profile() -> Profile:
    return {"counts": {}, "spend_minor": {}, "points": 0, "last_seen": ""}


def apply(profile: Profile, touchpoint: dict[str, Any]) -> Published:
    """Takes the touchpoint into the profile, in place, and returns what is published."""
    kind, points = touchpoint["type"], 0
    profile["counts"][kind] = profile["counts"].get(kind, 0) + 1
    if kind == "purchase":
        bought = touchpoint["payload"]
        points = bought["total_minor"] // 100
        profile["spend_minor"][bought["currency"]] = profile["spend_minor"].get(bought["currency"], 0) + bought["total_minor"]
        profile["points"] += points
    profile["last_seen"] = max(profile["last_seen"], touchpoint["occurred_at"])
    return {"event_id": touchpoint["event_id"], "type": kind, "points": points, "profile": profile}


_begun = False


def tell_begun() -> None:
    """Every peer calls this first of all for each record: the first time it says so, and the bench starts its clock."""
    global _begun
    if not _begun:
        _begun = True
        print("begun", flush=True)
