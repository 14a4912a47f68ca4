"""The accounts of a loyalty store, each put together from its rows."""

from collections.abc import Iterator
from functools import partial
from itertools import islice

from services.loyalty.account_record import AccountRecord, account_of, decode_row
from services.proof.shown import readable
from services.runtime.store_snapshot import StoreSnapshot

ACCOUNTS_A_PAGE = 1_000


def stored_accounts(store: StoreSnapshot) -> Iterator[tuple[str, bytes, AccountRecord | None]]:
    """Id, row and account, ordered by id; None where the rows say nothing, or do not belong together."""
    rows = store.rows("accounts")
    while page := list(islice(rows, ACCOUNTS_A_PAGE)):
        found = [(id, value, readable(decode_row, value)) for id, value in page]
        apart = [id for id, _, row in found if row and row.run]
        lots = store.rows_of("lots", apart) if apart else {}
        yield from ((id, value, readable(partial(account_of, row), lots.get(id, b"")) if row else None) for id, value, row in found)
