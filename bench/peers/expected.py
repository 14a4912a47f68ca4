"""What the simple job must come to, by a plain fold of the same touchpoints."""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from bench.peers.simple_job import Profile, apply, new_profile


@dataclass(frozen=True)
class Expected:
    """``taken_in``: touchpoints, repeats included; ``published``: messages; ``profiles``: customer → what is known at last."""

    taken_in: int
    published: int
    profiles: dict[str, Profile]


def expected(touchpoints: Iterable[tuple[bytes, bytes]]) -> Expected:
    """Of all of them, as (Kafka key, JSON)."""
    seen: set[str] = set()
    profiles: dict[str, Profile] = {}
    count = 0
    for key, value in touchpoints:
        count += 1
        touchpoint = json.loads(value)
        if touchpoint["event_id"] not in seen:
            seen.add(touchpoint["event_id"])
            apply(profiles.setdefault(key.decode(), new_profile()), touchpoint)
    return Expected(count, len(seen), profiles)


def difference(wanted: Expected, published: int, profiles: dict[str, Profile]) -> str:
    """Empty, or what is wrong with so many messages that end in these profiles."""
    if published != wanted.published:
        return f"{published:,} messages instead of {wanted.published:,}"
    if profiles.keys() != wanted.profiles.keys():
        return f"{len(profiles):,} customers instead of {len(wanted.profiles):,}, or others"
    wrong = [name for name, profile in wanted.profiles.items() if profiles[name] != profile]
    return f"{len(wrong):,} customers differ, such as {wrong[0]}" if wrong else ""
