"""What an older version of a payload says, in the words of its type's newest version. Pure, and the one place that knows both.

The log keeps what a channel sent in the version in which it was sent, and so does everything that is published. Whoever reads the fields
of a payload reads them through here, and needs to know the newest version only. A payload of the newest version is passed on untouched.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from schemas.compiled import struct_of
from schemas.touchpoints import NEWEST, PAYLOADS

Payload = dict[str, Any]
Step = Callable[[Payload], Payload]


class TooNew(Exception):
    """Raised for a version that this process does not know yet. Behind the profile stage it means that a stage was upgraded before
    those that read from it: the one that reads waits, takes nothing, and goes on by itself once it is upgraded too."""


def _refund_2(said: Payload) -> Payload:
    """`total_minor` is `amount_minor`; where version 1 did not say that, the sum of its lines."""
    rest = {name: value for name, value in said.items() if name != "amount_minor"}
    amount = said.get("amount_minor")
    return {**rest, "total_minor": sum(line["amount_minor"] for line in said.get("lines", [])) if amount is None else amount}


STEPS: dict[tuple[str, int], Step] = {("refund", 1): _refund_2}
"""(type, version) → what makes the next version of it: all there was in the one before has its place in the next."""


WAYS: dict[tuple[str, int], tuple[Step, ...]] = {
    (kind, version): tuple(STEPS[kind, before] for before in range(version, NEWEST[kind])) for kind, version in PAYLOADS
}
"""Every (type, version) that is understood → the steps to its newest."""

_check = {key: msgspec.json.Decoder(struct_of(PAYLOADS[key])).decode for key, steps in WAYS.items() if steps}
_encode = msgspec.json.Encoder().encode


def upcast(kind: str, version: int, said: Payload) -> Payload:
    """The payload in its newest version; ``said`` is what its own version's model takes. Raises TooNew."""
    for step in _way(kind, version):
        said = step(said)
    return said


def newest(kind: str, version: int, payload: bytes) -> bytes:
    """The same of JSON. Raises TooNew, and msgspec's ValidationError or DecodeError where the payload is none of its own version."""
    if not _way(kind, version):
        return payload
    _check[kind, version](payload)
    return _encode(upcast(kind, version, msgspec.json.decode(payload)))


def _way(kind: str, version: int) -> tuple[Step, ...]:
    way = WAYS.get((kind, version))
    if way is not None:
        return way
    if version < 1:
        raise msgspec.ValidationError(unknown(kind, version))
    raise TooNew(f"{unknown(kind, version)}: this stage waits until it is upgraded too, and then goes on by itself")


def unknown(kind: str, version: int) -> str:
    """In words."""
    return f"this Rapport knows {kind} in version {', '.join(str(number) for of, number in WAYS if of == kind)}, not {version}"
