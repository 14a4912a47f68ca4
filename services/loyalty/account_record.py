"""An account as the stage keeps it between batches: the fold's state, and what was said about it so far."""

import msgspec

from services.loyalty.account import EMPTY, AccountState


class AccountRecord(msgspec.Struct, array_like=True):
    """Mutable: only the stage holds it. An account without an event yet has ``sequence`` 0 and is not shown to anybody."""

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

    @property
    def merged_into(self) -> str | None:
        """Of a merged customer's account from which everything has moved."""
        return self.gone[0] if self.gone is not None and not self.anchors else None


class Holder(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Who holds an identifier, and the notification id of the message that said so."""

    customer: str
    id: int


encode = msgspec.msgpack.Encoder().encode
decode_account = msgspec.msgpack.Decoder(AccountRecord).decode
decode_holder = msgspec.msgpack.Decoder(Holder).decode
