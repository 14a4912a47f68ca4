"""What of the loyalty stage's store is state: accounts, the facts they are folded from, redemptions, what the ledger adds up to."""

from collections.abc import Iterator
from typing import Any

import msgspec

from services.loyalty.account import EMPTY, AccountState
from services.loyalty.account_record import AccountRecord, decode_holder
from services.loyalty.facts import decode as decode_fact
from services.loyalty.posting import ledger
from services.proof.holders import Holders
from services.proof.shown import Shown, readable, unreadable
from services.proof.stored_accounts import stored_accounts
from services.runtime.event_store import RecordedEvent
from services.runtime.store_snapshot import StoreSnapshot

ENTRY = "entry_posted"


class _Amount(msgspec.Struct, gc=False):
    amount: int
    balance: int


_amount = msgspec.json.Decoder(_Amount).decode
_said = msgspec.json.Decoder(dict[str, Any]).decode


def loyalty_state(store: StoreSnapshot, holders: Holders) -> Iterator[Shown]:
    """Every row. Left out: sequence numbers and times of posting, timers, corrections that cancel out, and accounts from which
    everything has moved, as long as nothing is left in them."""
    totals: dict[str, tuple[int, int]] = {}
    yield from _entries(store, totals)
    yield from _accounts(store, totals)
    yield from _facts_and_holders(store, holders)
    yield from _redemptions(store, holders)


def _accounts(store: StoreSnapshot, totals: dict[str, tuple[int, int]]) -> Iterator[Shown]:
    timers = store.timers()
    for id, value, account in stored_accounts(store):
        posted, whole = totals.pop(id, (0, 0))
        if account is None:
            yield unreadable(id, "account", id, value)
        elif account.anchors or account.state != EMPTY or account.balance or posted or account.sequence != whole:
            fields = {
                "sum of its entries": posted,
                "numbered without a hole": account.sequence == whole,
                "looked at again when it says": account.due_ms == timers.get(id),
                "looked at again": account.due_ms,
            }
            yield Shown(id, "account", id, _account(account) | fields)
    for id, (posted, _) in totals.items():
        yield Shown(id, "account", id, {"has a row": False, "sum of its entries": posted})


def _account(account: AccountRecord) -> dict[str, Any]:
    shown = {
        "id": account.id,
        "balance": account.balance,
        "tier": account.tier,
        "programme": account.programme,
        "anchors": sorted(account.anchors),
        "merged into": account.merged_into,
    }
    return shown | {f"state.{name}": msgspec.to_builtins(getattr(account.state, name)) for name in AccountState.__struct_fields__}


def _entries(store: StoreSnapshot, totals: dict[str, tuple[int, int]]) -> Iterator[Shown]:
    """Entries with their corrections, where they do not cancel out. Notes each account's sum and number of events."""
    for originator, events in store.events_by_originator():
        if events[0].type == "quarantined":
            continue
        id = str(originator)
        posted = [event for event in events if event.type == ENTRY]
        numbered = all(event.version == number for number, event in enumerate(events, 1))
        yield from _posted(id, posted)
        amounts = [said.amount for event in posted if (said := readable(_amount, event.state))]
        totals[id] = sum(amounts), len(events) if numbered else -1


def _posted(id: str, entries: list[RecordedEvent]) -> Iterator[Shown]:
    try:
        net = ledger(event.state for event in entries)
    except (msgspec.MsgspecError, UnicodeDecodeError, KeyError):
        yield unreadable(id, "ledger", id, b"".join(event.state for event in entries))
        return
    for key, entry in net.items():
        if entry.amount:
            yield Shown(id, "ledger", " ".join(map(str, key)), {"amount": entry.amount, "rule": entry.entry.rule})


def _facts_and_holders(store: StoreSnapshot, holders: Holders) -> Iterator[Shown]:
    stored = dict(store.rows("holders"))
    before = ""
    for anchor, key, value in store.items("facts"):
        fact = readable(decode_fact, value)
        whose = holders.of(anchor)
        yield (
            unreadable(whose, "fact", key, value)
            if fact is None
            else Shown(whose, "fact", f"{anchor} {key}", {"what": msgspec.to_builtins(fact)})
        )
        if anchor != before:
            before = anchor
            yield _holder(whose, anchor, stored.pop(anchor, b""))
    for identifier, value in stored.items():
        holder = readable(decode_holder, value)
        if holder is None or holder.customer != (holders.expected(identifier) or holder.customer):
            yield _holder(holders.of(identifier), identifier, value)


def _redemptions(store: StoreSnapshot, holders: Holders) -> Iterator[Shown]:
    """What a repeated command is answered."""
    for id, value in store.rows("redemptions"):
        said = readable(_said, value)
        whose = holders.of(str(said.get("anchor"))) if said else ""
        yield unreadable(whose, "redemption", id, value) if said is None else Shown(whose, "redemption", id, said)


def _holder(whose: str, identifier: str, value: bytes) -> Shown:
    holder = readable(decode_holder, value)
    return Shown(whose, "holder", identifier, {"customer": holder.customer if holder else None})


def behind_the_clock(store: StoreSnapshot, moment: str) -> set[str]:
    """Accounts to which time owes something at that moment: the stage lets it wait a little while more may come."""
    return {
        account.id for _, _, account in stored_accounts(store) if account and account.state.due is not None and account.state.due <= moment
    }
