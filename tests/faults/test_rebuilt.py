"""What counts as a difference between the state built again and the one that was published."""

import json
from types import SimpleNamespace
from typing import Any

from services.chaos.rebuilt import Latest, Living

LOT = {"lot_id": "l1", "remaining": 215, "available_from": "2026-11-26T04:00:00.000000Z"}


def shown(as_of: str, available: int, pending: int, **lot: Any) -> Living:
    account = {"account_id": "a", "sequence": 3, "as_of": as_of, "balance": 215, "available": available, "pending": pending}
    value = json.dumps({**account, "lots": [{**LOT, **lot}], "merged_into": None}).encode()
    return Latest().living([SimpleNamespace(key=b"a", value=value, headers=(("sequence", b"3"),))])


def test_a_lot_that_became_available_since_the_account_was_last_shown_is_no_difference() -> None:
    assert shown("2026-11-26T03:59:59.000000Z", 0, 215) == shown("2026-11-26T04:00:01.000000Z", 215, 0)


def test_another_lot_is_one() -> None:
    assert shown("2026-11-26T03:59:59.000000Z", 0, 215) != shown("2026-11-26T03:59:59.000000Z", 0, 215, remaining=214)
