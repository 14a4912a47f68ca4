"""What would become of something in quarantine that goes into the log again, with or without a fix. Pure; never raises for an original."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from schemas.reading import Unreadable, content_digest, encode, read
from schemas.topics import TOUCHPOINTS
from services.quarantine.paths import differences
from services.quarantine.rules import DoesNotFit, Rule, encoded, fixed, parsed

SHOWN = 50
Change = tuple[str, Any, Any]
"""A path, what was there and what is; ``...`` for nothing."""


@dataclass(frozen=True, slots=True)
class InQuarantine:
    """``received_at`` is canonical; ``topic`` is empty for what came over HTTP."""

    quarantine_id: str
    stage: str
    reason: str
    topic: str
    event_id: str
    source: str
    received_at: str
    original: str
    encoding: str


@dataclass(frozen=True, slots=True)
class Admitted:
    """Would be taken in: ``value`` is what goes to the topic ``touchpoints``."""

    quarantine_id: str
    event_id: str
    identifiers: Sequence[Any]
    value: bytes
    digest: int
    changes: Sequence[Change]


@dataclass(frozen=True, slots=True)
class StillRefused:
    """Would be refused again, so it stays where it is."""

    quarantine_id: str
    reason: str
    path: str
    detail: str
    changes: Sequence[Change] = ()


@dataclass(slots=True)
class Outcome:
    """How many go back, and how many stay; ``shown`` are the first of both."""

    done: int = 0
    stayed: int = 0
    shown: list[Admitted | StillRefused] = field(default_factory=list)

    def count(self, one: Admitted | StillRefused) -> None:
        if isinstance(one, Admitted):
            self.done += 1
        else:
            self.stayed += 1
        if len(self.shown) < SHOWN:
            self.shown.append(one)


class Redriving:
    """Tries one after the other; of two that would say different things under one event_id, the second is refused."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = rules
        self._said: dict[str, int] = {}

    def tried(self, one: InQuarantine) -> Admitted | StillRefused:
        """The same input gives the same touchpoint, however often: a repeat of it is a duplicate, and counts once."""
        result = tried(one, self._rules)
        if isinstance(result, Admitted) and self._said.setdefault(result.event_id, result.digest) != result.digest:
            detail = "another one goes back under this event_id with other content: add the rule new_id, or fix them one by one"
            return StillRefused(one.quarantine_id, "conflicting_duplicate", "$.event_id", detail, result.changes)
        return result


def tried(one: InQuarantine, rules: Sequence[Rule]) -> Admitted | StillRefused:
    changes: Sequence[Change] = ()
    try:
        raw = _original(one)
        mended = _as_it_came_in(one, fixed(raw, rules, one.quarantine_id))
        changes = _changes(raw, mended)
        touchpoint, _ = read(mended, one.received_at)
        if one.reason == "conflicting_duplicate" and touchpoint.event_id == one.event_id:
            raise Unreadable("conflicting_duplicate", "the event_id stands for other content: add the rule new_id", "$.event_id")
        value, digest = encode(touchpoint), content_digest(touchpoint)
        return Admitted(one.quarantine_id, touchpoint.event_id, touchpoint.identifiers, value, digest, changes)
    except DoesNotFit as error:
        return StillRefused(one.quarantine_id, "fix_does_not_fit", error.path, error.detail, changes)
    except Unreadable as error:
        return StillRefused(one.quarantine_id, error.reason, error.path, error.detail, changes)


def _original(one: InQuarantine) -> bytes:
    if one.topic not in ("", TOUCHPOINTS.name):
        detail = f"it is a message of {one.topic}, no touchpoint: upgrade {one.stage}, which reads it again when it is rebuilt"
        raise DoesNotFit(detail, "$")
    if one.encoding != "base64":
        return one.original.encode(errors="surrogatepass")
    try:
        return base64.b64decode(one.original, validate=True)
    except (binascii.Error, ValueError) as error:
        raise DoesNotFit("the original cannot be decoded", "$") from error


def _as_it_came_in(one: InQuarantine, raw: bytes) -> bytes:
    """As ingest would have passed it on: with the source of its key where it names none, and arrived when it did."""
    if one.stage != "ingest":
        return raw
    try:
        value = parsed(raw)
    except DoesNotFit:
        return raw  # the door says better what is wrong
    if not isinstance(value, dict):
        return raw
    came = dict(value)
    came.pop("received_at", None)
    came.setdefault("source", one.source)
    return raw if came == value else encoded(came)


def _changes(before: bytes, after: bytes) -> Sequence[Change]:
    if before == after:
        return ()
    new = parsed(after)
    try:
        return list(differences(parsed(before), new))
    except (DoesNotFit, RecursionError):
        return [("$", ..., new)]
