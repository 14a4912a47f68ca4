"""What is posted where the ledger and the fold differ."""

import json

from services.loyalty.moves import Entry, TierMove
from services.loyalty.posting import Posting, difference, ledger

AT = "2026-01-01T00:00:00.000000Z"


def entry(kind: str, amount: int, cause: str = "e1", lot: str = "p:base", expires_at: str | None = None) -> Entry:
    return Entry(kind, amount, lot, "p", "base", 1, AT, None, expires_at, cause)


def stored(entry_id: str, amount: int, kind: str = "earn", corrects: str | None = None) -> bytes:
    said = {"entry_id": entry_id, "kind": kind, "corrects": corrects, "amount": amount, "lot_id": "p:base", "source_event": "p"}
    return json.dumps(
        said | {"rule": "base", "rule_version": 1, "effective_at": AT, "available_from": None, "expires_at": None, "balance": amount}
    ).encode()


def test_what_was_never_posted_is_posted_as_what_it_is_with_the_cause_that_is_its_own() -> None:
    expected = [entry("earn", 5, "e1"), TierMove(None, "basic", AT, 0, "e1"), entry("redeem", -1, "e9"), entry("expire", -4, "clock")]
    assert list(difference(expected, {}, "late", frozenset(["e1"]))) == [
        Posting(expected[0], 5, "e1", None),
        Posting(expected[2], -1, "late", None),
        Posting(expected[3], -4, "clock", None),
    ]


def test_what_was_posted_as_expected_is_not_posted_again() -> None:
    assert list(difference([entry("earn", 5)], ledger([stored("a:1", 5)]), "late", frozenset())) == []


def test_an_entry_that_should_have_been_otherwise_is_corrected_first_and_by_name() -> None:
    posted = ledger([stored("a:1", 5), stored("a:2", -2, "redeem")])
    postings = list(difference([entry("earn", 7), entry("expire", -7, "clock")], posted, "late", frozenset()))
    assert [(one.entry.kind, one.amount, one.cause, one.corrects) for one in postings] == [
        ("earn", 2, "late", "a:1"),
        ("redeem", 2, "late", "a:2"),
        ("expire", -7, "clock", None),
    ]
    assert [one.entry.amount for one in postings] == [5, -2, -7]


def test_corrections_count_with_what_they_correct() -> None:
    posted = ledger([stored("a:1", 5), stored("a:2", 2, "compensate", "a:1")])
    assert [one.amount for one in posted.values()] == [7]
    assert list(difference([entry("earn", 7)], posted, "late", frozenset())) == []
    [back] = difference([], posted, "late", frozenset())
    assert (back.amount, back.corrects) == (-7, "a:1")


def test_entries_that_are_the_same_but_for_the_amount_are_one() -> None:
    [one] = difference([entry("reverse", -2), entry("reverse", -3)], {}, "e1", frozenset(["e1"]))
    assert one.amount == -5
    assert len(list(difference([entry("earn", 2), entry("earn", 3, expires_at=AT)], {}, "e1", frozenset(["e1"])))) == 2
