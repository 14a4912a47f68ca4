"""An account as the stage keeps it between batches: the fold's state, and what was said about it so far."""

from collections.abc import Iterable

import msgspec

from services.loyalty.account import EMPTY, AccountState
from services.loyalty.lots import Lots
from services.loyalty.stored_lots import Run, are_few, parted, united


class AccountRow(msgspec.Struct, array_like=True):
    """As it is stored. An account without an event yet has ``sequence`` 0 and is not shown to anybody."""

    id: str
    sequence: int = 0
    balance: int = 0
    """the sum of the posted entries"""
    tier: str | None = None
    """the last one announced"""
    state: AccountState = EMPTY
    clock: str = ""
    """time that was let pass; facts may lie later"""
    programme: str = ""
    """digest of the programme that the state was folded with"""
    anchors: list[str] = []
    """anchors with facts that the customer holds"""
    gone: tuple[str, int] | None = None
    """(survivor, notification id): the customer was merged"""
    announced: str | None = None
    """the survivor that was announced; None: the account lives"""
    due_ms: int | None = None
    """the timer that is set"""
    run: Run | None = None
    """the lots that stand in its row of ``lots``; ``state`` holds the others. None: it holds all"""

    @property
    def merged_into(self) -> str | None:
        """Of a merged customer's account from which everything has moved."""
        return self.gone[0] if self.gone is not None and not self.anchors else None


class AccountRecord(AccountRow):
    """The same in memory, with all its lots in ``state``. Mutable: only the stage holds it."""

    stored: Lots = ()
    """what its row of ``lots`` says"""


class Holder(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Who holds an identifier, and the notification id of the message that said so."""

    customer: str
    id: int


encode = msgspec.msgpack.Encoder().encode
decode_row = msgspec.msgpack.Decoder(AccountRow).decode
_decode_lots = msgspec.msgpack.Decoder(Lots).decode
decode_holder = msgspec.msgpack.Decoder(Holder).decode
_IN_BOTH = AccountRow.__struct_fields__[:-1]


def account_of(row: AccountRow, lots: bytes) -> AccountRecord:
    """The account of that row, and of its row of ``lots``; empty: there is none. Raises msgspec.MsgspecError where they do not belong
    together."""
    account = AccountRecord(*[getattr(row, name) for name in _IN_BOTH])
    if row.run is not None:
        account.stored = _decode_lots(lots) if lots else ()
        account.state = msgspec.structs.replace(row.state, lots=united(row.state.lots, row.run, account.stored))
    return account


def rows_of(accounts: Iterable[AccountRecord]) -> dict[str, dict[str, bytes | None]]:
    """What is to be stored of these accounts, by kind of row; they know then that it is."""
    rows: dict[str, dict[str, bytes | None]] = {"accounts": {}, "lots": {}}
    for account in accounts:
        run, others = parted(account.state.lots, account.stored)
        if not are_few(others, account.state.lots):
            run, others = Run(0, 0, len(account.state.lots)), ()
            account.stored = account.state.lots
            rows["lots"][account.id] = encode(account.stored)
        elif account.stored and run.begin == run.end:
            account.stored = ()
            rows["lots"][account.id] = None
        row: AccountRow = account
        if account.stored:
            row = AccountRow(*[getattr(account, name) for name in _IN_BOTH])
            row.run, row.state = run, msgspec.structs.replace(account.state, lots=others)
        rows["accounts"][account.id] = encode(row)
    return rows
