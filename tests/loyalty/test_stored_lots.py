"""An account's lots as they are stored: little is written at a change, and all of them are there when the account is read again."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.loyalty.account import EMPTY
from services.loyalty.account_record import AccountRecord, account_of, decode_row, rows_of
from services.loyalty.lots import Lot, Lots, first_to_expire, less, with_lot
from services.loyalty.stored_lots import Run, parted, united
from services.runtime.event_store import Rows
from tests.examples import examples


def lot(number: int, expires: int = 0) -> Lot:
    return Lot(f"{expires:05}", f"{number:05}", f"e{number}:base", f"e{number}", "base", 1, "", 10)


class Kept:
    """A store of one account."""

    def __init__(self) -> None:
        self.rows: Rows = {"accounts": {}, "lots": {}}
        self.written = 0

    def write(self, account: AccountRecord) -> None:
        for kind, values in rows_of([account]).items():
            self.rows[kind].update(values)
            for value in values.values():
                self.written += len(decode_row(value).state.lots if kind == "accounts" else msgspec.msgpack.decode(value)) if value else 0

    def read(self) -> AccountRecord:
        [row] = self.rows["accounts"].values()
        assert row
        return account_of(decode_row(row), self.rows["lots"].get("ann") or b"")


def having(account: AccountRecord, lots: Lots) -> AccountRecord:
    account.state = msgspec.structs.replace(account.state, lots=lots)
    return account


CHANGES = st.one_of(
    st.tuples(st.just("earn"), st.integers(1, 12), st.integers(0, 3)),
    st.tuples(st.just("use"), st.integers(1, 60), st.just(0)),
    st.tuples(st.just("take back"), st.integers(0, 30), st.just(0)),
    st.tuples(st.just("read again"), st.just(0), st.just(0)),
)


def changed(lots: Lots, change: tuple[Any, ...], number: int) -> Lots:
    what, much, expires = change
    if what == "earn":
        for one in range(much):
            lots = with_lot(lots, lot(number * 100 + one, expires))
    elif what == "use":
        lots = less(lots, first_to_expire(lots, much, "~"))
    elif what == "take back" and lots:
        lots = less(lots, [(lots[much % len(lots)], 10)])
    return lots


@settings(max_examples=examples(200))
@given(changes=st.lists(CHANGES, max_size=25))
def test_whatever_becomes_of_its_lots_an_account_is_read_as_it_was_written(changes: list[tuple[Any, ...]]) -> None:
    account, kept = AccountRecord("ann", anchors=["a"]), Kept()
    for number, change in enumerate(changes):
        kept.write(having(account, changed(account.state.lots, change, number)))
        again = kept.read()
        assert again == account
        if change[0] == "read again":
            account = again


@settings(max_examples=examples(200))
@given(lots=st.sets(st.integers(0, 30)), stored=st.sets(st.integers(0, 30)))
def test_lots_and_stored_lots_that_have_nothing_to_do_with_each_other_come_together_again(lots: set[int], stored: set[int]) -> None:
    now, then = (tuple(lot(number) for number in sorted(numbers)) for numbers in (lots, stored))
    run, others = parted(now, then)
    assert united(others, run, then) == now
    assert len(others) + run.end - run.begin == len(now)


def test_of_an_account_with_a_thousand_lots_some_forty_are_written_when_it_earns_one_more() -> None:
    account, kept = AccountRecord("ann", anchors=["a"]), Kept()
    for number in range(1_000):
        having(account, with_lot(account.state.lots, lot(number, expires=number)))
        kept.write(account)
    before = kept.written
    for number in range(1_000, 1_100):
        having(account, with_lot(account.state.lots, lot(number, expires=number)))
        kept.write(account)
    assert kept.written - before < 100 * 50


def test_where_points_are_used_from_the_front_the_other_lots_are_not_written_again() -> None:
    account, kept = AccountRecord("ann", anchors=["a"]), Kept()
    kept.write(having(account, tuple(lot(number) for number in range(100))))
    before = kept.written
    kept.write(having(account, less(account.state.lots, first_to_expire(account.state.lots, 25, "~"))))
    assert kept.written - before == 1
    assert kept.read().state.lots[0].remaining == 5


def test_lots_that_are_all_used_up_are_stored_no_longer() -> None:
    account, kept = AccountRecord("ann", anchors=["a"]), Kept()
    kept.write(having(account, tuple(lot(number) for number in range(100))))
    kept.write(having(account, ()))
    assert kept.rows["lots"] == {"ann": None}
    assert kept.read().state == EMPTY


@pytest.mark.parametrize("lots", [None, msgspec.msgpack.encode((lot(1),))])
def test_an_account_whose_lots_are_missing_is_not_read_without_them(lots: bytes | None) -> None:
    account, kept = AccountRecord("ann", anchors=["a"]), Kept()
    kept.write(having(account, tuple(lot(number) for number in range(100))))
    kept.rows["lots"]["ann"] = lots
    with pytest.raises(msgspec.ValidationError, match="no run from 0 to 100"):
        kept.read()


@pytest.mark.parametrize("run", [Run(0, 2, 1), Run(1, 0, 1), Run(-1, 0, 1), Run(0, -1, 1)])
def test_a_run_that_cannot_be_is_refused(run: Run) -> None:
    with pytest.raises(msgspec.ValidationError):
        united((), run, (lot(1), lot(2)))
