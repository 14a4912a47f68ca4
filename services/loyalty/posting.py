"""The ledger: what was posted of an account, what its fold expects, and the entries that make up the difference.

Posted entries are never edited. An entry that should have been otherwise, or not at all, is corrected by one of kind
``compensate`` that names it; what was never posted is posted as what it is.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from services.loyalty.moves import Entry, Move

Key = tuple[str, str, str, str, int | None, str | None, str | None]
"""What makes two entries the same one, apart from the amount."""


def key_of(entry: Entry) -> Key:
    """Equal for an entry that was posted and the same entry expected again."""
    return (
        entry.kind,
        entry.lot_id,
        entry.source_event,
        entry.effective_at,
        entry.version,
        entry.available_from,
        entry.expires_at,
    )


@dataclass(slots=True)
class PostedEntry:
    """The first entry with its key, and what it and its corrections add up to."""

    entry_id: str
    entry: Entry
    amount: int


Ledger = dict[Key, PostedEntry]


class Posting(NamedTuple):
    """An entry to post; ``corrects`` makes it a compensation of ``amount``."""

    entry: Entry
    amount: int
    cause: str
    corrects: str | None


class _Stored(msgspec.Struct, gc=False):
    entry_id: str
    kind: str
    corrects: str | None
    amount: int
    lot_id: str
    source_event: str
    rule: str | None
    rule_version: int | None
    effective_at: str
    available_from: str | None
    expires_at: str | None


_stored = msgspec.json.Decoder(_Stored).decode


def ledger(states: Iterable[bytes]) -> Ledger:
    """What the stored ``entry_posted`` events of one account, in their order, add up to."""
    by_key: Ledger = {}
    by_id: dict[str, PostedEntry] = {}
    for state in states:
        said = _stored(state)
        if said.corrects is not None:
            by_id[said.corrects].amount += said.amount
            continue
        entry = Entry(
            said.kind,
            said.amount,
            said.lot_id,
            said.source_event,
            said.rule,
            said.rule_version,
            said.effective_at,
            said.available_from,
            said.expires_at,
            "",
        )
        by_key[key_of(entry)] = by_id[said.entry_id] = PostedEntry(said.entry_id, entry, said.amount)
    return by_key


def difference(expected: Sequence[Move], posted: Ledger, cause: str, news: frozenset[str]) -> Iterator[Posting]:
    """Corrections first, in the order of what they correct, then what is new, in the order of the fold.

    ``cause`` is why the account was folded anew; entries that come from facts in ``news`` are caused by these.
    """
    wanted: dict[Key, Entry] = {}
    amounts: dict[Key, int] = {}
    for move in expected:
        if isinstance(move, Entry):
            key = key_of(move)
            wanted.setdefault(key, move)
            amounts[key] = amounts.get(key, 0) + move.amount
    for key, before in posted.items():
        missing = amounts.get(key, 0) - before.amount
        if missing:
            yield Posting(before.entry, missing, cause, before.entry_id)
    for key, entry in wanted.items():
        if key not in posted:
            own = entry.cause == "clock" or entry.cause in news
            yield Posting(entry, amounts[key], entry.cause if own else cause, None)
