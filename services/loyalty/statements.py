"""What a message of ``profile-events`` says that matters here: a fact of an anchor, identifiers that moved, or a customer gone.

Accepted redemptions are facts that only ``loyalty-events`` tells: whoever builds accounts again reads its ``redemption_accepted``
beside ``profile-events``, in any order, and takes everything else anew from the facts.

Only what is needed is decoded. Who holds an identifier is said with the message's notification id: of two statements about
one identifier the higher id is right, in whatever order they are read.
"""

from collections.abc import Callable, Sequence
from typing import Annotated, NamedTuple, get_args

import msgspec

from schemas import times
from schemas.profile_events import CustomerId
from schemas.reading import CountedTouchpoint
from schemas.upcasting import newest
from services.loyalty.facts import FACTS, Fact, Redemption, event_id_of

REASONS = {
    "no_notification_id": "the header `id` is missing or is no positive number, so the message has no place among the others",
    "not_profile_event": "the bytes are not JSON of a message that the profile stage writes",
    "unknown_event": "the event is none that this version knows",
    "invalid_touchpoint": "the touchpoint's payload is none of its type",
}

LAST_YEAR = "9000"
"""What time brings to a fact (expiry, the next birthday) must be a moment too."""


class Unusable(Exception):
    """Raised by ``read``: this is none of the profile stage's messages. The stage quarantines it."""

    def __init__(self, reason: str, detail: str, path: str = "$") -> None:
        super().__init__(detail)
        self.reason, self.detail, self.path = reason, detail, path


class FactStated(NamedTuple):
    """The customer held the anchor when the fact was counted."""

    id: int
    customer: str
    anchor: str
    fact: Fact

    @property
    def cause(self) -> str:
        return self.fact.event_id


class Moved(NamedTuple):
    """The customer holds these identifiers from now on. ``cause``: of what is posted for it."""

    id: int
    customer: str
    identifiers: tuple[str, ...]
    cause: str


class Gone(NamedTuple):
    """The customer was merged into another."""

    id: int
    customer: str
    survivor: str

    @property
    def cause(self) -> str:
        return f"merge:{self.survivor}"


class Redeemed(NamedTuple):
    """A redemption was accepted while the customer held the anchor. ``said`` is the whole message."""

    customer: str
    anchor: str
    redemption_id: str
    fact: Redemption
    said: bytes

    @property
    def cause(self) -> str:
        return self.fact.event_id


Statement = FactStated | Moved | Gone | Redeemed

_pattern = next(field.pattern for field in get_args(CustomerId)[1].metadata if hasattr(field, "pattern"))
_Id = Annotated[str, msgspec.Meta(pattern=_pattern)]


class _Message(msgspec.Struct, tag_field="event", gc=False):
    customer_id: _Id


class _Applied(_Message, tag="touchpoint_applied", gc=False):
    anchor: _Id
    touchpoint: CountedTouchpoint


class _Held(msgspec.Struct, gc=False):
    id: _Id


class _Merged(_Message, tag="customers_merged", gc=False):
    merged: _Id
    identifiers: list[_Held]


class _MergedInto(_Message, tag="customer_merged_into", gc=False):
    survivor: _Id


class _Joined(_Message, tag="identifiers_joined", gc=False):
    identifiers: list[_Held]
    cause: str


class _Left(_Message, tag="identifiers_left", gc=False):
    holder: _Id
    identifiers: list[_Held]
    cause: str


class _Refused(_Message, tag="link_refused", gc=False):
    """Of no concern: nobody holds anything else for it."""


class _Lifecycle(_Message, tag="lifecycle_changed", gc=False):
    """Of no concern."""


class _Accepted(_Message, tag="redemption_accepted", gc=False):
    account_id: _Id
    anchor: _Id
    redemption_id: str
    points: Annotated[int, msgspec.Meta(ge=1)]
    occurred_at: Annotated[str, msgspec.Meta(pattern=times.CANONICAL_PATTERN)]


_decode: Callable[[bytes], _Message] = msgspec.json.Decoder(
    _Applied | _Merged | _MergedInto | _Joined | _Left | _Refused | _Lifecycle | _Accepted
).decode


def read(value: bytes | None, headers: Sequence[tuple[str, bytes]]) -> Statement | None:
    """What the message says; None where it does not matter here. Raises Unusable, and TooNew, for which the stage waits."""
    message = _decoded(value or b"")
    if type(message) is _Applied:
        reader = FACTS.get(message.touchpoint.type)
        if reader is None:
            return None
        fact = _fact(message.touchpoint)
        return None if fact is None else FactStated(notification_id(headers), message.customer_id, message.anchor, fact)
    if type(message) is _Accepted:
        fact = Redemption(message.occurred_at, event_id_of(message.redemption_id), message.points)
        return Redeemed(message.account_id, message.anchor, message.redemption_id, fact, value or b"")
    return _moved(message, headers)


def _moved(message: _Message, headers: Sequence[tuple[str, bytes]]) -> Statement | None:
    if isinstance(message, _Merged):
        return Moved(notification_id(headers), message.customer_id, _ids(message.identifiers), f"merge:{message.merged}")
    if isinstance(message, _MergedInto):
        return Gone(notification_id(headers), message.customer_id, message.survivor)
    if isinstance(message, _Joined):
        return Moved(notification_id(headers), message.customer_id, _ids(message.identifiers), message.cause)
    if isinstance(message, _Left):
        return Moved(notification_id(headers), message.holder, _ids(message.identifiers), message.cause)
    return None


def _decoded(value: bytes) -> _Message:
    try:
        return _decode(value)
    except msgspec.ValidationError as error:
        unknown = "Invalid value" in str(error) and str(error).endswith("`$.event`")
        raise Unusable("unknown_event" if unknown else "not_profile_event", *_where(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unusable("not_profile_event", str(error)) from error


def _fact(touchpoint: CountedTouchpoint) -> Fact | None:
    try:
        _check(touchpoint)
        payload = newest(touchpoint.type, touchpoint.version, touchpoint.payload)
        return FACTS[touchpoint.type](touchpoint.occurred_at, touchpoint.event_id, touchpoint.source, payload)
    except msgspec.ValidationError as error:
        detail, path = _where(error)
        raise Unusable("invalid_touchpoint", detail, "$.touchpoint.payload" + path[1:]) from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise Unusable("invalid_touchpoint", str(error), "$.touchpoint.payload") from error


def _check(touchpoint: CountedTouchpoint) -> None:
    if not touchpoint.event_id or "\0" in touchpoint.event_id:
        raise Unusable("invalid_touchpoint", "must not be empty, nor hold NUL", "$.touchpoint.event_id")
    try:
        canonical = times.canonical(touchpoint.occurred_at)
    except ValueError as error:
        raise Unusable("invalid_touchpoint", str(error), "$.touchpoint.occurred_at") from error
    if canonical != touchpoint.occurred_at or not "1970" <= canonical < LAST_YEAR:
        detail = f"must be UTC with six decimals, from 1970 on and before {LAST_YEAR}"
        raise Unusable("invalid_touchpoint", detail, "$.touchpoint.occurred_at")


def notification_id(headers: Sequence[tuple[str, bytes]]) -> int:
    """Raises Unusable where there is none."""
    for name, value in headers:
        if name == "id" and value.isdigit() and len(value) < 19:
            return int(value)
    raise Unusable("no_notification_id", REASONS["no_notification_id"])


def _ids(held: list[_Held]) -> tuple[str, ...]:
    return tuple([one.id for one in held])


def _where(error: msgspec.ValidationError) -> tuple[str, str]:
    detail, _, path = str(error).partition(" - at `")
    return detail, path.rstrip("`") or "$"
